"""Portable and pure: no clock, disk, network, log or random source of its own."""
