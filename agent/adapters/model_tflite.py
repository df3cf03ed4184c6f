"""The anomaly model, a TFLite file, by tflite-runtime or by ai-edge-litert (its newer name).

A model is a folder: model.tflite, card.json, golden.json. Nothing is handed to the runtime before
size and SHA-256 agree with the card: a damaged file can end the process. Then the golden vectors
are run: what the runtime computes here must be what was computed when the model was made.
"""

import hashlib
import json
from pathlib import Path

import numpy as np

from agent.ports import ModelFault

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray

MODEL_BYTES_MAX = 256 * 1024
CARD_SCHEMA = 1
GOLDEN_TOLERANCE = 1e-3  # relative
RUNTIMES = (
    ("tflite_runtime.interpreter", "tflite-runtime"),
    ("ai_edge_litert.interpreter", "ai-edge-litert"),
)


def load_model(directory: str, feature_version: int, runtime: "str | None" = None) -> "TfliteModel":
    """The model in `directory`, checked; ModelFault says what was expected and found.

    `runtime`: "tflite-runtime" or "ai-edge-litert"; None takes the first that is installed.
    """
    folder = Path(directory)
    card = _json(folder / "card.json")
    content = _read(folder / "model.tflite")
    _check_card(folder, card, content, feature_version)
    model = TfliteModel(card, content, runtime)
    _check_golden(folder, _json(folder / "golden.json"), model)
    return model


class TfliteModel:
    """The Model port. Not for use by two threads at once."""

    def __init__(self, card: "dict[str, Any]", content: bytes, runtime: "str | None") -> None:
        self.name = str(card["name"])
        self.version = str(card["version"])
        self.features = int(card["features"])
        self.runtime, self._interpreter = _interpreter(content, runtime)
        (source,) = self._interpreter.get_input_details()
        if tuple(source["shape"]) != (1, self.features) or source["dtype"] != np.float32:
            raise ModelFault(
                f"model {self.name}: input is {source['dtype'].__name__}{tuple(source['shape'])},"
                f" expected float32(1, {self.features})"
            )
        self._input = source["index"]
        by_size = {tuple(o["shape"]): o["index"] for o in self._interpreter.get_output_details()}
        if set(by_size) != {(1, 1), (1, self.features)}:
            raise ModelFault(
                f"model {self.name}: outputs have shapes {sorted(by_size)},"
                f" expected (1, 1) and (1, {self.features})"
            )
        self._score = by_size[1, 1]
        self._parts = by_size[1, self.features]

    def score(self, z: "NDArray[Any]") -> "tuple[float, tuple[float, ...]]":
        """(score, contribution of each feature). `z`: shape (features,), finite."""
        if z.shape != (self.features,) or not np.isfinite(z).all():
            raise ModelFault(f"model {self.name}: input {z.shape} is not {self.features} numbers")
        self._interpreter.set_tensor(self._input, z.astype(np.float32)[None, :])
        self._interpreter.invoke()
        score = float(self._interpreter.get_tensor(self._score)[0, 0])
        parts = self._interpreter.get_tensor(self._parts)[0]
        if not (np.isfinite(score) and np.isfinite(parts).all()):
            raise ModelFault(f"model {self.name}: its answer is not finite")
        return score, tuple(float(part) for part in parts)


def _interpreter(content: bytes, runtime: "str | None") -> "tuple[str, Any]":
    failures = []
    for module, name in RUNTIMES:
        if runtime not in (None, name):
            continue
        try:
            interpreter_type = __import__(module, None, None, ("Interpreter",)).Interpreter
            interpreter = interpreter_type(model_content=content, num_threads=1)
            interpreter.allocate_tensors()
            return name, interpreter
        except ImportError as error:
            failures.append(f"{name}: {error}")
        except (SystemError, AttributeError):
            failures.append(f"{name} does not work with numpy {np.__version__}: {NUMPY_CURE}")
        except (ValueError, RuntimeError) as error:
            raise ModelFault(f"the runtime {name} refuses the model: {error}")
    raise ModelFault("no TFLite runtime: " + "; ".join(failures) + f". {RUNTIME_CURE}")


NUMPY_CURE = "pip install 'numpy>=1.23.2,<2'"
RUNTIME_CURE = (
    "Install one: pip install tflite-runtime==2.14.0 'numpy<2' (Python 3.11)"
    " or pip install 'ai-edge-litert>=2.1,<3' (Python 3.12 and later)"
)


def _check_card(
    folder: "Path", card: "dict[str, Any]", content: bytes, feature_version: int
) -> None:
    for key in ("schema", "name", "version", "sha256", "bytes", "features", "feature_version"):
        if key not in card:
            raise ModelFault(f"{folder / 'card.json'}: {key} is missing")
    expected = (
        ("schema", card["schema"], CARD_SCHEMA),
        ("feature_version", card["feature_version"], feature_version),
        ("bytes", card["bytes"], len(content)),
        (
            "sha256",
            card["sha256"],
            "".join(f"{byte:02x}" for byte in hashlib.sha256(content).digest()),
        ),
    )
    for key, stated, found in expected:
        if stated != found:
            raise ModelFault(f"{folder}: the card says {key} {stated}, found {found}")


def _check_golden(folder: "Path", golden: "dict[str, Any]", model: "TfliteModel") -> None:
    vectors = golden.get("vectors")
    if not isinstance(vectors, list) or not vectors:
        raise ModelFault(f"{folder / 'golden.json'}: no vectors")
    for place, one in enumerate(vectors):
        score, _ = model.score(np.asarray(one["z"], dtype=np.float32))
        if abs(score - one["score"]) > GOLDEN_TOLERANCE * max(1.0, abs(one["score"])):
            raise ModelFault(
                f"{folder}: golden vector {place} scores {score:.6g}, expected {one['score']:.6g}"
            )


def _read(path: "Path") -> bytes:
    try:
        size = path.stat().st_size
        if size > MODEL_BYTES_MAX:
            raise ModelFault(f"{path}: {size} bytes, expected at most {MODEL_BYTES_MAX}")
        return path.read_bytes()
    except OSError as error:
        raise ModelFault(f"{path}: {error.strerror or error}")


def _json(path: "Path") -> "dict[str, Any]":
    try:
        held = json.loads(_read(path))
    except (ValueError, RecursionError) as error:
        raise ModelFault(f"{path}: not JSON ({error})")
    if not isinstance(held, dict):
        raise ModelFault(f"{path}: expected an object")
    return held
