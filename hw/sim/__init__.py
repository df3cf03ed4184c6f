"""Simulated chips and buses, register for register. Portable; knows nothing of the drivers."""
