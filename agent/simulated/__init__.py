"""A machine that is not there: felt, played into simulated chips, learned. Never a real sensor."""
