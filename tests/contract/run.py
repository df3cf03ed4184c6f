"""Runs the contract on MicroPython: `MICROPYPATH=.:.frozen micropython tests/contract/run.py`.

Prints one line a test and ends with the count; the exit code tells whether all passed.
"""

import gc
import sys

MODULES = (
    "tests.contract.test_core",
    "tests.contract.test_drivers",
    "tests.contract.test_self_test",
    "tests.contract.test_states",
)
UNLOADED = ("agent.core", "drivers", "hw.sim", "tests.contract.rig")


def _unload(name: str) -> None:
    """A board runs one of these programs, not all: each has the whole heap."""
    for held in [one for one in sys.modules if one == name or one.startswith(UNLOADED)]:
        del sys.modules[held]
    gc.collect()


def run() -> int:
    passed = failed = 0
    for name in MODULES:
        module = __import__(name, None, None, ("*",))
        for test in sorted(dir(module)):
            if not test.startswith("test_"):
                continue
            gc.collect()
            try:
                getattr(module, test)()
                passed += 1
                print("passed", test)
            except Exception as error:
                failed += 1
                print("FAILED", test, repr(error))
                if hasattr(sys, "print_exception"):
                    sys.print_exception(error)
        _unload(name)
    print(passed, "passed,", failed, "failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(run())
