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
FREE_MIN = 3  # fewer points than unknowns and these may lie on a wrong line by chance

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
    """Observations of (tick, mono_ns) over the last `span_s`, and the line through them.

    Frames that were lost break the count, and not the oscillator: the stretches between breaks are
    parallel lines, and all of them tell its rate. The time is that of the last stretch.
    """

    def __init__(self, nominal_hz: float, span_s: float) -> None:
        self._nominal_hz = nominal_hz
        self._span_ns = int(span_s * 1e9)
        self._stretch = 0
        self._points: "deque[tuple[int, int, int]]" = deque((), POINTS_KEPT)

    def restart(self) -> None:
        """What was counted before is not believed any longer, or was another chip's."""
        self._stretch += 1
        while self._points:
            self._points.popleft()

    def broke(self) -> None:
        """Ticks were lost: what comes lies on another line, of the same slope."""
        self._stretch += 1

    def observe(self, tick: int, mono_ns: int) -> None:
        self._points.append((self._stretch, tick, mono_ns))
        self._forget_before(mono_ns - self._span_ns)

    def _forget_before(self, mono_ns: int) -> None:
        while self._points[0][2] < mono_ns:
            self._points.popleft()

    def fit(self) -> "Fit | None":
        """The line, or None while there are too few points to draw one."""
        if len(self._points) < POINTS_MIN or self._points[-1][0] != self._stretch:
            return None
        _, tick0, ns0 = self._points[0]
        points = [(stretch, tick - tick0, ns - ns0) for stretch, tick, ns in self._points]
        rough = _line(_stretches(points))
        if rough is None:
            return None
        earliest = _stretches(_earliest(points, rough[0]))
        line = _line(earliest)
        if line is None:
            return None
        ns_per_tick, error_ns, free = line
        if ns_per_tick <= 0:
            return None
        mean_tick, mean_ns = _mean(earliest[-1])
        t0_ns = ns0 + int(mean_ns) - int((tick0 + mean_tick) * ns_per_tick)
        rate_error = (SURE + SURE_FEW / free) * error_ns / ns_per_tick
        self._forget_if_bent(rate_error)
        return Fit(1e9 / ns_per_tick, t0_ns, rate_error)

    def _forget_if_bent(self, rate_error: float) -> None:
        newest = self._points[-1][2]
        begun = next(ns for stretch, _, ns in self._points if stretch == self._stretch)
        if rate_error > BENT_ERROR and newest - begun > BENT_SPAN_NS:
            self._forget_before(newest - BENT_KEEP_NS)


def _stretches(points: "list[tuple[int, int, int]]") -> "list[list[tuple[int, int]]]":
    """(tick, ns) of each stretch, oldest first."""
    found: "list[list[tuple[int, int]]]" = []
    last = None
    for stretch, tick, ns in points:
        if stretch != last:
            found.append([])
            last = stretch
        found[-1].append((tick, ns))
    return found


def _earliest(
    points: "list[tuple[int, int, int]]", ns_per_tick: float
) -> "list[tuple[int, int, int]]":
    """Of each stretch in each bin of the span the point that the host saw with the least delay."""
    last = points[-1][1] or 1
    best: "list[tuple[float, int, tuple[int, int, int]]]" = []
    for point in points:
        stretch, tick, ns = point
        late_ns = ns - ns_per_tick * tick
        place = min(BINS - 1, tick * BINS // last)
        if not best or best[-1][1] != place or best[-1][2][0] != stretch:
            best.append((late_ns, place, point))
        elif late_ns < best[-1][0]:
            best[-1] = (late_ns, place, point)
    return [point for _, _, point in best]


def _mean(points: "list[tuple[int, int]]") -> "tuple[float, float]":
    n = len(points)
    return sum(x for x, _ in points) / n, sum(y for _, y in points) / n


def _line(stretches: "list[list[tuple[int, int]]]") -> "tuple[float, float, int] | None":
    """Least squares of ns on ticks, parallel lines: (ns per tick, its standard error, freedom)."""
    means = [_mean(points) for points in stretches]
    free = sum(len(points) - 1 for points in stretches) - 1
    sxx = sxy = 0.0
    for points, (mean_x, mean_y) in zip(stretches, means):
        for x, y in points:
            sxx += (x - mean_x) ** 2
            sxy += (x - mean_x) * (y - mean_y)
    if free < FREE_MIN or sxx == 0:
        return None
    slope = sxy / sxx
    residual = 0.0
    for points, (mean_x, mean_y) in zip(stretches, means):
        for x, y in points:
            residual += (y - mean_y - slope * (x - mean_x)) ** 2
    return slope, (residual / free / sxx) ** 0.5, free
