"""Workstation: training and evaluation of models."""
