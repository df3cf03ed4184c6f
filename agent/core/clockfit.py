"""A chip's true sample rate, by regression of its tick count on the host's clock.

A chip's oscillator is off by percents, and the host sees each count late, by anything from
microseconds to a scheduling stall, never early. So the points that matter are the earliest: the
span is cut into bins, each bin gives the point that lies furthest ahead of a first fit, and the
line goes through those.
"""

from collections import deque, namedtuple

BINS = 16
POINTS_MIN = 6
POINTS_KEPT = 256

# The slope's standard error times this holds the true slope in 95 of 100 fits or more, also when
# few points carry it (Student's t) and their delays are not Gaussian: tested with 0 to 15 ms.
SURE = 2.4
SURE_FEW = 5.0
# A line of this span that is still this uncertain has a bend: ticks were not counted as they were
# sampled (a frozen or doubling chip). What lies before the last seconds is then forgotten.
BENT_ERROR = 0.005
BENT_SPAN_NS = 3_000_000_000
BENT_KEEP_NS = 1_500_000_000
# rate_hz; t0_ns: the time of tick 0; rate_error: relative uncertainty, of 95 in 100 fits.
Fit = namedtuple("Fit", ("rate_hz", "t0_ns", "rate_error"))


class ClockFit:
    """Observations of (tick, mono_ns) over the last `span_s`, and the line through them."""

    def __init__(self, nominal_hz: float, span_s: float) -> None:
        self._nominal_hz = nominal_hz
        self._span_ns = int(span_s * 1e9)
        self._points: "deque[tuple[int, int]]" = deque((), POINTS_KEPT)

    def restart(self) -> None:
        """Ticks were lost: what was counted before no longer lies on the same line."""
        while self._points:
            self._points.popleft()

    def observe(self, tick: int, mono_ns: int) -> None:
        self._points.append((tick, mono_ns))
        self._forget_before(mono_ns - self._span_ns)

    def _forget_before(self, mono_ns: int) -> None:
        while self._points[0][1] < mono_ns:
            self._points.popleft()

    def fit(self) -> "Fit | None":
        """The line, or None while there are too few points to draw one."""
        if len(self._points) < POINTS_MIN:
            return None
        tick0, ns0 = self._points[0]
        points = [(tick - tick0, ns - ns0) for tick, ns in self._points]
        rough = _line(points)
        if rough is None:
            return None
        earliest = _earliest(points, rough)
        line = _line(earliest)
        if line is None:
            return None
        ns_per_tick, at_zero_ns, error_ns = line
        if ns_per_tick <= 0:
            return None
        t0_ns = ns0 + int(at_zero_ns) - int(tick0 * ns_per_tick)
        sure = SURE + SURE_FEW / (len(earliest) - 2)
        rate_error = sure * error_ns / ns_per_tick
        if rate_error > BENT_ERROR and points[-1][1] > BENT_SPAN_NS:
            self._forget_before(self._points[-1][1] - BENT_KEEP_NS)
        return Fit(1e9 / ns_per_tick, t0_ns, rate_error)


def _earliest(
    points: "list[tuple[int, int]]", line: "tuple[float, float, float]"
) -> "list[tuple[int, int]]":
    """Of each bin of the span, the point that the host saw with the least delay."""
    slope, offset, _ = line
    last = points[-1][0] or 1
    best: "list[tuple[float, tuple[int, int]] | None]" = [None] * BINS
    for point in points:
        late_ns = point[1] - (offset + slope * point[0])
        place = min(BINS - 1, point[0] * BINS // last)
        held = best[place]
        if held is None or late_ns < held[0]:
            best[place] = (late_ns, point)
    return [held[1] for held in best if held is not None]


def _line(points: "list[tuple[int, int]]") -> "tuple[float, float, float] | None":
    """Least squares of ns on ticks: (ns per tick, ns at tick 0, standard error of the slope)."""
    n = len(points)
    if n < 3:
        return None
    mean_x = sum(x for x, _ in points) / n
    mean_y = sum(y for _, y in points) / n
    sxx = sum((x - mean_x) ** 2 for x, _ in points)
    if sxx == 0:
        return None
    slope = sum((x - mean_x) * (y - mean_y) for x, y in points) / sxx
    offset = mean_y - slope * mean_x
    residual = sum((y - offset - slope * x) ** 2 for x, y in points)
    return slope, offset, (residual / (n - 2) / sxx) ** 0.5
