"""The receiver's ledger: proves for every row of every device what became of it."""
