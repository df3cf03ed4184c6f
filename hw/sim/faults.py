"""Faults on demand, between any simulated chip and its bus: what cables and dying boards do."""

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from typing import Any

EREMOTEIO = 121
NEVER = 0


class Faulty:
    """A chip that can be pulled, frozen, flipped and starved; healthy until told otherwise.

    `pulled`: nothing answers; on SPI MISO then reads `floats` (0x00 or 0xFF). `frozen`: every
    transfer gives what the same transfer gave when it froze. `flip_every`: in every n-th transfer
    `flip_mask` is flipped in byte `flip_byte` of the answer, if it is so long. `nak_every`: every
    n-th is refused. `garbled`: every answer reads this byte, as of another chip or crossed wires.
    """

    def __init__(self, chip: "Any") -> None:
        self.chip = chip
        self.pulled = False
        self.floats = 0xFF
        self.frozen = False
        self.flip_every = NEVER
        self.flip_byte = -1
        self.flip_mask = 0x10
        self.nak_every = NEVER
        self.garbled: "int | None" = None
        self._held: "dict[Any, bytes]" = {}
        self._transfers = 0

    def brown_out(self) -> None:
        """The supply dips: registers back to their defaults, in mid-stream."""
        self.chip.reset()

    def thaw(self) -> None:
        self.frozen = False
        self._held = {}

    def advance(self, now_ns: int) -> None:
        self.chip.advance(now_ns)

    def transfer(self, sent: "Any", received: "Any") -> None:
        self._transfers += 1
        if self.pulled:
            self._fill(received, bytes((self.floats,)) * len(received))
            return
        self.chip.transfer(sent, received)
        self._spoil((len(sent), bytes(sent[:1])), received)

    def read_registers(self, register: int, buffer: "Any") -> None:
        self._refuse_or_go_on()
        self.chip.read_registers(register, buffer)
        self._spoil((len(buffer), register), buffer)

    def write_registers(self, register: int, values: "Any") -> None:
        self._refuse_or_go_on()
        self.chip.write_registers(register, values)

    def _refuse_or_go_on(self) -> None:
        self._transfers += 1
        refused = self.nak_every and self._transfers % self.nak_every == 0
        if self.pulled or refused:
            raise OSError(EREMOTEIO, "no acknowledge")

    def _spoil(self, key: "Any", answer: "Any") -> None:
        if self.garbled is not None:
            self._fill(answer, bytes((self.garbled,)) * len(answer))
        if self.frozen:
            if key not in self._held:
                self._held[key] = bytes(answer)
            self._fill(answer, self._held[key])
        long_enough = len(answer) > 2 and -len(answer) <= self.flip_byte < len(answer)
        if long_enough and self.flip_every and self._transfers % self.flip_every == 0:
            answer[self.flip_byte % len(answer)] ^= self.flip_mask

    def _fill(self, target: "Any", content: bytes) -> None:
        for place in range(len(target)):
            target[place] = content[place]
