"""What links that are doubles have in common: a broker of MQTT 5 with neither limits nor wishes."""


class PlainLink:
    """Of the Link port, what a broker says in its greeting."""

    tells_refusals = True
    retains = True
    packet_bytes_max: int | None = None
