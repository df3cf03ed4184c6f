"""Simulated hardware, board profiles, wiring."""
