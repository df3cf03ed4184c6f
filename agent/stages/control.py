"""Control: what the fleet asks for. Accepts nothing yet, and says so; reports its version."""

from agent.stages.record import Record

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from agent.core.bulletin import Bulletin
    from agent.core.mailbox import Mailbox


class Control:
    """Reports once after a start; a desired configuration will be taken here."""

    def __init__(self, version: int, bulletin: "Bulletin", records: "Mailbox") -> None:
        self._version = version
        self._bulletin = bulletin
        self._records = records

    async def run(self) -> None:
        reported = {"version": self._version, "state": "confirmed", "accepts": False}
        self._bulletin.post("config", reported)
        self._records.put(Record("config_reported", reported, None, False))
