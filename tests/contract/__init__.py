"""Runs on CPython (pytest) and on real MicroPython (`run.py`): nothing here may need either."""
