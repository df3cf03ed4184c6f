"""Makes openconmo.json: squared-envelope spectrum and cepstral pre-whitening by openconmo.

openconmo needs numpy >= 2, which the agent's own interpreter does not have, so in its own:

    python3 -m venv /tmp/golden && /tmp/golden/bin/pip install openconmo==0.0.6
    /tmp/golden/bin/python -m tests.golden.make_openconmo
"""

import json
from pathlib import Path

import numpy as np
from openconmo.benchmark_methods import (  # type: ignore[import-not-found]
    cepstrum_prewhitening,
    envelope,
)

from tests.golden.signals import modulated, rough

LINES = 101  # of the envelope's spectrum that are kept


def main() -> None:
    _, amplitude = envelope(modulated(), float(len(modulated())))
    _, white = cepstrum_prewhitening(rough(), 1.0)
    held = {
        "openconmo": "0.0.6",
        "numpy": np.__version__,
        "envelope_amplitude": [float(f"{value:.9g}") for value in amplitude[:LINES]],
        "prewhitened": [float(f"{value:.9g}") for value in white],
    }
    Path(__file__).with_name("openconmo.json").write_text(json.dumps(held, indent=1) + "\n")


if __name__ == "__main__":
    main()
