"""Trains the default anomaly model: a dense autoencoder on standardised features, in numpy.

    python -m models.train [--out models/default]

Simulated healthy pumps of many sizes and speeds, felt through an ADXL345's filter and noise, each
standardised by its own mean and spread as on a device. The same seed gives the same file.
"""

import argparse
import hashlib
import itertools
import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from agent.analysis.anomaly import Z_LIMIT
from agent.analysis.features import FEATURE_NAMES, FEATURE_VERSION
from models.evaluate import HELD_OUT, MACHINES, compare_scorers, network_score, standardised
from models.tflite_writer import Layer, autoencoder_tflite

Floats = NDArray[np.float64]

SEED = 20816
WIDTHS = (24, 16, 6, 16, 24)
EPOCHS = 300
BATCH = 128
STEP = 2e-3
DECAY = 1e-4
GOLDEN = 12


def train(seed: int = SEED) -> list[Layer]:
    """Weights and biases as float32."""
    chance = np.random.default_rng(seed)
    vectors = np.concatenate([standardised(machine) for machine in MACHINES])
    layers = [_new_layer(chance, a, b) for a, b in itertools.pairwise(WIDTHS)]
    moments = [(np.zeros_like(p), np.zeros_like(p)) for layer in layers for p in layer]
    count = 0
    for epoch in range(EPOCHS):
        step = STEP * 0.5 * (1 + np.cos(np.pi * epoch / EPOCHS))
        order = chance.permutation(len(vectors))
        for first in range(0, len(order), BATCH):
            count += 1
            slopes = _slopes(layers, vectors[order[first : first + BATCH]])
            _adam(layers, moments, slopes, step, count)
    return [(w.astype(np.float32), b.astype(np.float32)) for w, b in layers]


def _new_layer(chance: np.random.Generator, inputs: int, outputs: int) -> tuple[Floats, Floats]:
    spread = np.sqrt(2.0 / (inputs + outputs))
    return chance.normal(0.0, spread, (outputs, inputs)), np.zeros(outputs)


def _slopes(layers: list[tuple[Floats, Floats]], batch: Floats) -> list[Floats]:
    """Gradients of the mean squared error, in the order weights, bias of each layer."""
    held = [batch]
    for place, (weights, bias) in enumerate(layers):
        total = held[-1] @ weights.T + bias
        held.append(np.tanh(total) if place < len(layers) - 1 else total)
    error = 2.0 * (held[-1] - batch) / batch.size
    slopes: list[Floats] = []
    for place in reversed(range(len(layers))):
        weights, _ = layers[place]
        if place < len(layers) - 1:
            error = error * (1.0 - held[place + 1] ** 2)
        slopes = [error.T @ held[place] + DECAY * weights, error.sum(axis=0), *slopes]
        error = error @ weights
    return slopes


def _adam(
    layers: list[tuple[Floats, Floats]],
    moments: list[tuple[Floats, Floats]],
    slopes: list[Floats],
    step: float,
    count: int,
) -> None:
    """One step of Adam (Kingma and Ba 2015), in place."""
    parameters = [p for layer in layers for p in layer]
    for parameter, (first, second), slope in zip(parameters, moments, slopes):
        first += 0.1 * (slope - first)
        second += 0.001 * (slope**2 - second)
        fair_first = first / (1 - 0.9**count)
        fair_second = second / (1 - 0.999**count)
        parameter -= step * fair_first / (np.sqrt(fair_second) + 1e-8)


def golden(layers: list[Layer], seed: int) -> dict[str, object]:
    """Inputs near and far from healthy, and what the network makes of them in float64."""
    chance = np.random.default_rng(seed)
    vectors = []
    for place in range(GOLDEN):
        z = np.clip(chance.normal(0, 1 + 2 * place, WIDTHS[0]), -Z_LIMIT, Z_LIMIT)
        z = z.astype(np.float32)
        score, _ = network_score(layers, z.astype(np.float64))
        vectors.append({"z": [float(v) for v in z], "score": score})
    return {"vectors": vectors, "relative_tolerance": 1e-3}


def card(layers: list[Layer], content: bytes) -> dict[str, object]:
    return {
        "schema": 1,
        "name": "autoencoder",
        "version": "1",
        "owner": "Latido",
        "licence": "Apache-2.0",
        "sha256": hashlib.sha256(content).hexdigest(),
        "bytes": len(content),
        "input": "features",
        "features": WIDTHS[0],
        "feature_version": FEATURE_VERSION,
        "feature_names": list(FEATURE_NAMES),
        "widths": list(WIDTHS),
        "operations": ["FULLY_CONNECTED", "TANH", "SUB", "MUL", "SUM"],
        "min_runtime_version": "2.14.0",
        "trained_on": {
            "what": "simulated healthy pumps through an ADXL345 at 3200 Hz",
            "seed": SEED,
            "machines": len(MACHINES),
            "held_out_machines": len(HELD_OUT),
        },
        "metrics": compare_scorers(layers),
        "golden_tolerance": 1e-3,
        "approved_by": "",
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="Train the default anomaly model.")
    parser.add_argument("--out", default=str(Path(__file__).parent / "default"), metavar="DIR")
    folder = Path(parser.parse_args().out)
    folder.mkdir(parents=True, exist_ok=True)
    layers = train()
    content = autoencoder_tflite(layers, "Latido anomaly autoencoder")
    (folder / "model.tflite").write_bytes(content)
    written = {"card.json": card(layers, content), "golden.json": golden(layers, SEED + 1)}
    for name, held in written.items():
        (folder / name).write_text(json.dumps(held, indent=1) + "\n")
    print(f"{folder}: {len(content)} bytes")
    print(json.dumps(written["card.json"]["metrics"], indent=1))


if __name__ == "__main__":
    main()
