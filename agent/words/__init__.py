"""The words of the command line, a file each (`latido judge` is judge.py); `cli.py` parses them.

`start.py` is `latido run`, and what the others share: the settings file, signals, exit codes.
"""
