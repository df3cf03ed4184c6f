"""One chip, one file. Portable."""
