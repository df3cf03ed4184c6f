"""Whether a machine runs. Stopped never alarms and never teaches."""

STOPPED = "stopped"
STARTING = "starting"
RUNNING = "running"


class OperatingState:
    """`name`: stopped, starting (moving, not yet settled) or running. Unchanging."""

    def __init__(self, name: str, moving: int, settle: int, below_mm_s: float) -> None:
        self.name = name
        self.moving = moving
        self.settle = settle
        self.below_mm_s = below_mm_s

    def after(self, velocity_rms_mm_s: float) -> "OperatingState":
        """The state after one more window of this velocity."""
        if velocity_rms_mm_s < self.below_mm_s:
            return OperatingState(STOPPED, 0, self.settle, self.below_mm_s)
        moving = min(self.moving + 1, self.settle)
        name = RUNNING if moving >= self.settle else STARTING
        return OperatingState(name, moving, self.settle, self.below_mm_s)


def unseen_machine(settle: int, below_mm_s: float) -> "OperatingState":
    """Not yet seen moving: it counts as running after `settle` windows above `below_mm_s`."""
    return OperatingState(STOPPED, 0, settle, below_mm_s)
