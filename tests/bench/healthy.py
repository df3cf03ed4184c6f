"""`make soak-healthy`: an hour of healthy simulated data of each chip: nothing may be faulty.

    python -m tests.bench.healthy [--hours 1] [--chip NAME]

Time is stepped: a chip's hour takes one to ten minutes of CPU. Exit code 1 when a healthy sensor
was called anything but good, a sample was lost or a window was not normal.
"""

import argparse
import sys
import time
from collections import Counter

from tests.bench.run import tell
from tests.fault_rig import ACCELEROMETERS, THERMOCOUPLES, Place, Rig

VIBRATION = Place("adxl355", 250, False)
SETTLE_S = 10.0  # within which the first window must be judged normal


def main() -> int:
    parser = argparse.ArgumentParser(description="Healthy sensors, for hours.")
    parser.add_argument("--hours", type=float, default=1.0)
    parser.add_argument("--chip", help="only this one")
    options = parser.parse_args()
    places = [p for p in (*ACCELEROMETERS, *THERMOCOUPLES) if options.chip in (None, p.chip)]
    return int(sum(wrong_in(place, options.hours) for place in places) > 0)


def wrong_in(place: Place, hours: float) -> int:
    """How often a healthy sensor was said to be anything but healthy."""
    begun_s = time.process_time()
    rig = Rig(VIBRATION, place) if place in THERMOCOUPLES else Rig(place)
    channel = "t" if place in THERMOCOUPLES else "de"
    settled = rig.run_until(lambda told: any(one.state == "normal" for one in told), SETTLE_S)
    end_s = rig.now_s + 3600.0 * hours
    verdicts: Counter[str] = Counter()
    said: Counter[tuple[str, str]] = Counter()
    while rig.now_s < end_s:
        for told in rig.step():
            verdicts[told.state] += 1
            if told.state != "normal":
                print(f"{place}: {told.state} {told.reason} at {told.at_s:.1f} s", file=sys.stderr)
        status = rig.status(channel)
        if status[0] != "good":
            said[status] += 1
    rig.close()
    others = sum(verdicts.values()) - verdicts["normal"]
    tell(f"healthy {place}: windows judged", sum(verdicts.values()), "windows", None)
    tell(f"healthy {place}: not called normal", others, "windows", 0)
    tell(f"healthy {place}: turns in which it was not called good", said.total(), "turns", 0)
    tell(f"healthy {place}: samples lost", rig.lost, "samples", 0)
    tell(f"healthy {place}: CPU", time.process_time() - begun_s, "s", None)
    for (name, code), turns in said.items():
        print(f"{place}: {name} {code} in {turns} turns", file=sys.stderr)
    return others + said.total() + rig.lost + (settled is None)


if __name__ == "__main__":
    sys.exit(main())
