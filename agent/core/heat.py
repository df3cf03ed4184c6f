"""A bearing housing's temperature: too hot, or rising fast while the machine has long been warm.

Minutes are kept, not readings: a thermocouple's spark is one reading of hundreds a minute. Pure.
"""

NS_A_MINUTE = 60 * 1_000_000_000


class HeatTrend:
    """`minutes`: mean of each of the last `span` + 1 minutes, oldest first. Unchanging.

    `hot`: readings in a row above the limit.
    """

    def __init__(
        self,
        limit_degc: float,
        span: int,
        minutes: "tuple[float, ...]" = (),
        total: float = 0.0,
        count: int = 0,
        began_ns: int = 0,
        hot: int = 0,
    ) -> None:
        self.limit_degc = limit_degc
        self.span = span
        self.minutes = minutes
        self.total = total
        self.count = count
        self.began_ns = began_ns
        self.hot = hot

    def after(self, degc: "float | None", mono_ns: int) -> "HeatTrend":
        """After one more reading; None: it was not trustworthy."""
        if degc is None:
            return self._made(self.minutes, self.total, self.count, self.began_ns, 0)
        hot = self.hot + 1 if degc > self.limit_degc else 0
        passed_ns = mono_ns - self.began_ns
        if self.count and passed_ns < NS_A_MINUTE:
            return self._made(self.minutes, self.total + degc, self.count + 1, self.began_ns, hot)
        minutes = self.minutes
        if passed_ns >= 2 * NS_A_MINUTE:
            minutes = ()  # a gap: what was before it says nothing about the rate
        elif self.count:
            minutes = (minutes + (self.total / self.count,))[-(self.span + 1) :]
        return self._made(minutes, degc, 1, mono_ns, hot)

    def rise_degc(self) -> "float | None":
        """How much warmer than `span` minutes ago; None before that is known."""
        if len(self.minutes) <= self.span:
            return None
        return self.minutes[-1] - self.minutes[0]

    def rate_degc_min(self) -> "float | None":
        rise = self.rise_degc()
        return None if rise is None else rise / self.span

    def _made(
        self, minutes: "tuple[float, ...]", total: float, count: int, began_ns: int, hot: int
    ) -> "HeatTrend":
        return HeatTrend(self.limit_degc, self.span, minutes, total, count, began_ns, hot)
