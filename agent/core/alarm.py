"""A machine's alarm level from its windows: N of M to rise, M clean windows to fall.

A pure function of (state, level of one more window); one bad window is not a fault, and one good
window is not a repair.
"""

NORMAL = "normal"
WARNING = "warning"
ALARM = "alarm"
UNKNOWN = "unknown"
LEVELS = (NORMAL, WARNING, ALARM)


class Alarm:
    """`level` is one of LEVELS; `recent` the levels of the last `m` trusted windows. Unchanging."""

    def __init__(self, level: str, recent: "tuple[str, ...]", n: int, m: int) -> None:
        self.level = level
        self.recent = recent
        self.n = n
        self.m = m

    def after(self, level: "str | None") -> "Alarm":
        """The alarm after one more window; None means the window was not trustworthy."""
        if level is None:
            return self
        recent = (self.recent + (level,))[-self.m :]
        return Alarm(self._level(recent), recent, self.n, self.m)

    def _level(self, recent: "tuple[str, ...]") -> str:
        for candidate in (ALARM, WARNING):
            at_least = LEVELS.index(candidate)
            count = sum(1 for level in recent if LEVELS.index(level) >= at_least)
            held = LEVELS.index(self.level) >= at_least
            if count >= self.n or (held and count):
                return candidate
        return NORMAL


def new_alarm(n: int, m: int) -> "Alarm":
    """No alarm yet; it rises when `n` of the last `m` windows say so."""
    if not 0 < n <= m:
        raise ValueError(f"n: {n} of m: {m} windows can never be reached")
    return Alarm(NORMAL, (), n, m)
