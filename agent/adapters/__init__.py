"""One outside thing per file; imported by agent/app.py only."""
