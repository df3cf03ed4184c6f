"""What of one lane is under way: sent, confirmed by the broker, received, free to be forgotten.

A row is free when all before it are; whose word counts, the broker's or the receiver's, is fixed at
the start. No clock inside: times are arguments. A receipt counts for what was sent and for no more.
"""

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from typing import Any


class Flight:
    """One bundle under way. `landed_ns`: when the broker confirmed it, or None.

    `received_id`: up to here the receiver has its rows; 0: none of them.
    """

    __slots__ = ("bundle", "landed_ns", "launched_ns", "received_id")

    def __init__(self, bundle: "Any", now_ns: int) -> None:
        self.bundle = bundle
        self.launched_ns = now_ns
        self.landed_ns: "int | None" = None
        self.received_id = 0


class Flights:
    """Of one lane, oldest first. `width`: bundles under way at most."""

    def __init__(self, width: int, by_receipt: bool) -> None:
        self._width = width
        self._by_receipt = by_receipt
        self._flying: "list[Flight]" = []
        self.after_id = 0  # rows up to here are under way or free
        self.freed_id = 0  # rows up to here are free
        self.probing = False  # the receiver is silent: one bundle at a time
        self.silent_rounds = 0
        self._passed_id = 0  # the first row that this link cannot carry; what is behind it is kept

    @property
    def room(self) -> int:
        return max(0, (1 if self.probing else self._width) - len(self._flying))

    @property
    def oldest(self) -> "Flight | None":
        return self._flying[0] if self._flying else None

    def launch(self, bundle: "Any", now_ns: int) -> "Flight":
        flight = Flight(bundle, now_ns)
        self._flying.append(flight)
        self.after_id = bundle.last_id
        return flight

    def begin_after(self, identity: int) -> None:
        """Rows up to here had gone before this connection."""
        self.after_id = self.freed_id = identity

    def pass_over(self, identity: int) -> None:
        """A row too large for this link stays; those behind it go, and stay until it has gone."""
        self.after_id = identity
        self._passed_id = self._passed_id or identity

    def receipt(self, boot: int, through: int) -> None:
        """The receiver has all of the boot up to `through`."""
        for flight in self._flying:
            if flight.bundle.boot == boot:
                known = flight.bundle.through(through)
                flight.received_id = max(flight.received_id, known)

    def free(self) -> int:
        """Forgets what is done; the id up to which rows may be freed now, 0 for none."""
        through_id = 0
        while self._flying and self._done(self._flying[0]):
            flight = self._flying.pop(0)
            through_id = through_id if self._is_kept(flight) else flight.bundle.last_id
        if through_id:
            self.freed_id = through_id
            self.probing = False
            self.silent_rounds = 0
        return through_id

    def overdue_ns(self) -> "int | None":
        """Since when a confirmed bundle waits for its receipt."""
        oldest = self.oldest
        return oldest.landed_ns if self._by_receipt and oldest is not None else None

    def rewind(self) -> int:
        """The receiver is silent: from the oldest again, one bundle at a time.

        The id up to which it has the oldest bundle, for those rows may be freed; 0 for none.
        """
        through_id = self._flying[0].received_id if self._flying else 0
        self._flying = []
        self.after_id = self.freed_id = max(self.freed_id, through_id)
        self.probing = True
        self.silent_rounds += 1
        return through_id

    def _is_kept(self, flight: "Flight") -> bool:
        return 0 < self._passed_id < int(flight.bundle.last_id)

    def _done(self, flight: "Flight") -> bool:
        if self._by_receipt and not self._is_kept(flight):
            return bool(flight.received_id == flight.bundle.last_id)
        return flight.landed_ns is not None
