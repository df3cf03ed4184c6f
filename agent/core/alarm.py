"""How severe one cause is, from window to window: N of M, on-delay, off-delay.

A pure function of (state, level of one more window, its time); one bad window is not a fault, one
good window is not a repair, and a transient that passes is neither. What people do with an alarm is
in `alarm_state`.
"""

NORMAL = "normal"
WARNING = "warning"
ALARM = "alarm"
UNKNOWN = "unknown"
LEVELS = (NORMAL, WARNING, ALARM)


class AlarmRule:
    """Rises when `n` of `m` windows say so for `on_ns`, falls when all are clean for `off_ns`."""

    def __init__(self, n: int, m: int, on_ns: int, off_ns: int) -> None:
        if not 0 < n <= m:
            raise ValueError(f"n: {n} of m: {m} windows can never be reached")
        if on_ns < 0 or off_ns < 0:
            raise ValueError(f"delays: {on_ns} and {off_ns} ns are not 0 or more")
        self.n = n
        self.m = m
        self.on_ns = on_ns
        self.off_ns = off_ns


class Alarm:
    """`level` is one of LEVELS; `recent` the levels of the last `m` trusted windows. Unchanging.

    `pending`: what would follow once the delay is over, wanted without a break since `since_ns`.
    """

    def __init__(
        self,
        level: str,
        recent: "tuple[str, ...]",
        rule: "AlarmRule",
        pending: str,
        since_ns: int,
    ) -> None:
        self.level = level
        self.recent = recent
        self.rule = rule
        self.pending = pending
        self.since_ns = since_ns

    def after(self, level: "str | None", mono_ns: int = 0) -> "Alarm":
        """The alarm after one more window; None means the window was not trustworthy."""
        if level is None:
            return self
        recent = (self.recent + (level,))[-self.rule.m :]
        wanted = self._wanted(recent)
        if _rank(wanted) == _rank(self.level):
            return Alarm(self.level, recent, self.rule, self.level, mono_ns)
        pending, since_ns = self._pending(wanted, mono_ns)
        delay_ns = self.rule.on_ns if _rank(pending) > _rank(self.level) else self.rule.off_ns
        if mono_ns - since_ns < delay_ns:
            return Alarm(self.level, recent, self.rule, pending, since_ns)
        return Alarm(pending, recent, self.rule, pending, mono_ns)

    def undecided(self) -> "Alarm":
        """The same level with nothing pending: what was seen lately belongs to something else."""
        return Alarm(self.level, (), self.rule, self.level, 0)

    def _pending(self, wanted: str, mono_ns: int) -> "tuple[str, int]":
        """(what follows, since when): on the way up the least, on the way down the most wanted."""
        up = _rank(wanted) > _rank(self.level)
        before = _rank(self.pending) - _rank(self.level)
        if before == 0 or (before > 0) != up:
            return wanted, mono_ns
        ranks = (_rank(wanted), _rank(self.pending))
        return LEVELS[min(ranks) if up else max(ranks)], self.since_ns

    def _wanted(self, recent: "tuple[str, ...]") -> str:
        for candidate in (ALARM, WARNING):
            at_least = _rank(candidate)
            count = sum(1 for level in recent if _rank(level) >= at_least)
            held = _rank(self.level) >= at_least
            kept = held and (count or len(recent) < self.rule.m)
            if count >= self.rule.n or kept:
                return candidate
        return NORMAL


def _rank(level: str) -> int:
    return LEVELS.index(level)


def new_alarm(n: int, m: int, on_ns: int = 0, off_ns: int = 0) -> "Alarm":
    """No alarm yet; it rises when `n` of the last `m` windows say so for `on_ns`."""
    return Alarm(NORMAL, (), AlarmRule(n, m, on_ns, off_ns), NORMAL, 0)


def worst(levels: "list[str]") -> str:
    """The most severe of them; normal when there is none."""
    return LEVELS[max([0] + [_rank(level) for level in levels])]
