"""How long a memory card lasts at the rate at which it is written. Pure.

Makers of cards print no number of writes. The two assumptions are cautious and named, so that the
figure can be compared between devices and over time; it is not a promise.
"""

CYCLES = 500  # erasures of a cell of a plain TLC card; industrial cards stand three times as many
AMPLIFICATION = 8  # what a card writes for what it is told to write, in small pieces
DAY_S = 86_400.0


def bytes_a_day(written_bytes: int, seconds: float) -> float:
    """0.0 before anything was measured."""
    return written_bytes / seconds * DAY_S if seconds > 0 else 0.0


def life_years(card_bytes: int, a_day: float) -> "float | None":
    """Years until each cell has been erased `CYCLES` times; None when nothing is written."""
    if a_day <= 0:
        return None
    return card_bytes * CYCLES / AMPLIFICATION / a_day / 365.25
