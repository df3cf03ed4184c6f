"""What simulated chips feel: machines and recordings. Numpy; knows nothing of chips or drivers."""
