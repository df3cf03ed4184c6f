"""What a chip lost at each break of its stream: by the host's clock, at the chip's own rate.

A break lies between two drains: an overrun, a fault, a chip brought up anew. Missing is what the
chip sampled between the last sure count before it and the first one after it, less the frames
that came. So the true rate matters for that short time alone, and the host's delays at its ends.

Each count is seen late, never early: the tail of a stretch is the count that was seen least late
as far as the rate's uncertainty can tell, and its head is put right by the counts that follow.
What was counted too much is taken off the next break's count. What was counted before the rate
was known is counted again when it is: nothing is taken back, what had been too little is added.

The bound, tested with overruns every few hundred milliseconds, a chip 4 % off and a host held up
by 0 to 15 ms: once the rate is known to SETTLED, all that is counted is within 0.1 % of the frames
sampled and one frame a break of what was lost. Before that, instead of the 0.1 %, within what an
unmeasured rate may be off (6 %) of the frames that the chip sampled from the drain before each
break to the one after it. A break is at least one frame. A late count at a stretch's head stands
as so many frames too many until the next break; a stretch that has no other count hides as many.
"""

LOOK_NS = 250_000_000  # how far from a break a count can still tell of it
SETTLED = 0.002  # a rate known this well is not waited for any longer


class LossCount:
    """`rate_hz`, `rate_error`: what is known of the chip's rate before anything was measured."""

    def __init__(self, rate_hz: float, rate_error: float) -> None:
        self._rate_hz = rate_hz
        self._rate_error = rate_error
        self._head_index, self._head_ns = 0, 0
        self._tail_index, self._tail_ns = 0, 0
        self._begun = False
        self._broken = False
        self._new_break = False
        self._owed = 0.0  # frames lost, not yet counted; below 0: counted too many
        self._open_ns = 0  # of breaks that were measured by a rate not yet settled

    def knows(self, rate_hz: float, rate_error: float) -> None:
        """The rate as it is known now, and its relative uncertainty."""
        self._owed += (rate_hz - self._rate_hz) * self._open_ns / 1e9
        self._rate_hz, self._rate_error = rate_hz, rate_error
        if rate_error <= SETTLED:
            self._open_ns = 0

    def broke(self) -> None:
        """Before the next count frames were lost, or it may be that they were."""
        self._broken = self._begun

    def saw(self, index: int, mono_ns: int) -> None:
        """The chip had given `index` frames when it was read, no later than at `mono_ns`."""
        if self._broken or not self._begun:
            self._begin(index, mono_ns)
            return
        self._mend_head(index, mono_ns)
        since_ns = mono_ns - self._tail_ns
        late_ns = since_ns - (index - self._tail_index) * 1e9 / self._rate_hz
        if late_ns < self._rate_error * since_ns or since_ns > LOOK_NS:
            self._tail_index, self._tail_ns = index, mono_ns

    def _begin(self, index: int, mono_ns: int) -> None:
        if self._broken:
            self._pass(mono_ns - self._tail_ns)
            self._owed -= index - self._tail_index
            self._new_break = True
        self._begun, self._broken = True, False
        self._head_index, self._head_ns = index, mono_ns
        self._tail_index, self._tail_ns = index, mono_ns

    def _pass(self, gap_ns: int) -> None:
        self._owed += self._rate_hz * gap_ns / 1e9
        self._open_ns += gap_ns

    def _mend_head(self, index: int, mono_ns: int) -> None:
        """The stretch began no later than this count, too, allows."""
        since_ns = mono_ns - self._head_ns
        if since_ns > LOOK_NS:
            return
        took_ns = (index - self._head_index) * 1e9 / self._rate_hz
        late_ns = int(took_ns - (1 + self._rate_error) * since_ns)
        if late_ns > 0:
            self._head_ns -= late_ns
            self._pass(-late_ns)

    def take(self) -> int:
        """Frames lost that were not counted yet; at least 1 when there was a break."""
        broke, self._new_break = self._new_break, False
        count = int(self._owed + 0.5) if broke else int(self._owed)
        if count >= 1:
            self._owed -= count
            return count
        if broke:
            self._owed = min(self._owed, 0.0)  # the one counted is no debt: there was a break
        return int(broke)
