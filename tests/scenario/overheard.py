"""What a device has put on the wire: each row of it, read from the bytes of its connections.

So a test knows rows that never came: the device had made them, and had tried to send them.
"""

import json
from collections.abc import Callable

from tests.proxy import packet_bytes

PUBLISH, QOS = 0x30, 0x06
TOPIC = 2  # bytes of a topic's length


class Overheard:
    """`rows`: {(boot, lane, seq): mono_ns} of every row that began its way, one device's."""

    def __init__(self) -> None:
        self.rows: dict[tuple[int, str, int], int] = {}

    def connection(self) -> Callable[[bytes], None]:
        """Takes the bytes of one connection, from the device, as they come."""
        held = bytearray()

        def hear(chunk: bytes) -> None:
            held.extend(chunk)
            while (size := packet_bytes(bytes(held[:5]))) is not None and size <= len(held):
                if held[0] & 0xF0 == PUBLISH:
                    self._take(bytes(held[:size]))
                del held[:size]

        return hear

    def _take(self, packet: bytes) -> None:
        topic, payload = published(packet)
        *_, place, lane = topic.split("/")
        if place != "data":
            return
        bundle = json.loads(payload)
        for row in bundle["rows"]:
            self.rows.setdefault((bundle["boot"], lane, row["seq"]), row["mono_ns"])


def published(packet: bytes) -> tuple[str, bytes]:
    """(topic, payload) of a whole PUBLISH without properties, of MQTT 3.1.1 or 5."""
    start = next(n for n in range(1, 5) if packet[n] < 0x80) + 1
    end = start + TOPIC + int.from_bytes(packet[start : start + TOPIC], "big")
    after = end + (2 if packet[0] & QOS else 0)
    payload = packet[after:]
    return packet[start + TOPIC : end].decode(), payload[1:] if payload[:1] == b"\0" else payload
