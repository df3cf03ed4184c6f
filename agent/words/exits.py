"""Exit codes of every word: one place for them.

0: done, and all well. 1: unreadable, failed, in doubt, or a fault was found; the message names it.
2: the words of the command or the configuration are wrong. 3: the broker is not reachable. 130:
ended by Ctrl-C before there was a result.
"""

DONE, FAILED, USAGE, AWAY, INTERRUPTED = 0, 1, 2, 3, 130
