"""Runs the contract on MicroPython: `MICROPYPATH=.:.frozen micropython tests/contract/run.py`.

Prints one line a test and ends with the count; the exit code tells whether all passed.
"""

import gc
import os
import sys

from tests.contract.tools import unloaded

MODULES = tuple(
    f"tests.contract.{name[:-3]}"
    for name in sorted(os.listdir(__file__.rsplit("/", 1)[0]))
    if name.startswith("test_")
)


def run() -> int:
    # What imports leave behind must not scatter what they keep.
    gc.threshold(8192)  # type: ignore[attr-defined]  # MicroPython's
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
        forget()
    print(passed, "passed,", failed, "failed")
    return 1 if failed or not passed else 0


def forget() -> None:
    """A file of tests that has run, and the core it used, leave the heap to the next."""
    for name in list(sys.modules):
        if name.startswith("tests.contract.test_") or name.startswith("agent"):
            unloaded(name)


if __name__ == "__main__":
    sys.exit(run())
