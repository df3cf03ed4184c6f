"""The number of a boot, the first part of every key: what the lock file says of those before."""

BOOT_MAX = 2**30  # ids stay within SQLite's 63 bits


def remembered(lock: bytes) -> "tuple[int, str]":
    """(the newest boot that the lock's bytes tell, or 0; "" or why they tell none)."""
    text = lock.strip()
    if not text:
        return 0, ""
    if not text.isdigit() or int(text) >= BOOT_MAX:
        return 0, f"the lock file says {text!r}, expected the number of a boot; it is not used"
    return int(text), ""
