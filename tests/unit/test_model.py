"""The shipped model: the same on both runtimes, reproducible, and refused when it is not itself."""

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

from agent.adapters.model_tflite import load_model
from agent.analysis.features import FEATURE_NAMES, FEATURE_VERSION
from agent.ports import ModelFault
from agent.resources import default_model_dir
from models.evaluate import network_score
from models.tflite_writer import autoencoder_tflite
from models.train import card, train

OLD = pytest.mark.skipif(sys.version_info >= (3, 12), reason="tflite-runtime has no wheel here")
RUNTIMES = [pytest.param("tflite-runtime", marks=OLD), "ai-edge-litert"]


def copy(folder: Path) -> Path:
    target = folder / "model"
    shutil.copytree(default_model_dir(), target)
    return target


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_golden_vectors_hold_to_a_millionth(runtime: str) -> None:
    model = load_model(default_model_dir(), FEATURE_VERSION, runtime)
    golden = json.loads((Path(default_model_dir()) / "golden.json").read_text())
    assert model.runtime == runtime and len(golden["vectors"]) >= 10
    for one in golden["vectors"]:
        z = np.asarray(one["z"], dtype=np.float32)
        score, parts = model.score(z)
        assert score == pytest.approx(one["score"], rel=2e-6)
        assert sum(parts) == pytest.approx(score, rel=1e-5) and len(parts) == len(FEATURE_NAMES)


@OLD
def test_both_runtimes_agree() -> None:
    chance = np.random.default_rng(3)
    one, other = (
        load_model(default_model_dir(), FEATURE_VERSION, p)
        for p in ("tflite-runtime", "ai-edge-litert")
    )
    for _ in range(200):
        z = chance.normal(0, 8, len(FEATURE_NAMES)).astype(np.float32)
        assert one.score(z)[0] == pytest.approx(other.score(z)[0], rel=1e-6)


def test_training_again_gives_the_model_that_ships() -> None:
    layers = train()
    golden = json.loads((Path(default_model_dir()) / "golden.json").read_text())
    for one in golden["vectors"]:
        score, _ = network_score(layers, np.asarray(one["z"]))
        assert score == pytest.approx(one["score"], rel=1e-3)
    again = autoencoder_tflite(layers, "x")
    assert again == autoencoder_tflite(layers, "x")
    shipped = json.loads((Path(default_model_dir()) / "card.json").read_text())
    assert set(card(layers, again)) == set(shipped)
    rates = shipped["metrics"]
    assert rates["autoencoder"]["false_alarm_rate"] <= 0.02
    assert set(rates) == {"autoencoder", "mahalanobis"}


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.99])
def test_a_truncated_file_never_reaches_the_runtime(tmp_path: Path, share: float) -> None:
    folder = copy(tmp_path)
    content = (folder / "model.tflite").read_bytes()
    (folder / "model.tflite").write_bytes(content[: int(share * len(content))])
    with pytest.raises(ModelFault, match="bytes"):
        load_model(str(folder), FEATURE_VERSION)


def test_one_flipped_bit_is_noticed(tmp_path: Path) -> None:
    folder = copy(tmp_path)
    content = bytearray((folder / "model.tflite").read_bytes())
    content[len(content) // 2] ^= 1
    (folder / "model.tflite").write_bytes(content)
    with pytest.raises(ModelFault, match="sha256"):
        load_model(str(folder), FEATURE_VERSION)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("card.json", "{", "not JSON"),
        ("card.json", "[]", "expected an object"),
        ("card.json", "{}", "schema is missing"),
        ("golden.json", '{"vectors": []}', "no vectors"),
    ],
)
def test_a_broken_card_is_named(tmp_path: Path, name: str, content: str, said: str) -> None:
    folder = copy(tmp_path)
    (folder / name).write_text(content)
    with pytest.raises(ModelFault, match=said):
        load_model(str(folder), FEATURE_VERSION)


def test_golden_vectors_that_do_not_hold_refuse_the_model(tmp_path: Path) -> None:
    folder = copy(tmp_path)
    golden = json.loads((folder / "golden.json").read_text())
    golden["vectors"][3]["score"] *= 1.01
    (folder / "golden.json").write_text(json.dumps(golden))
    with pytest.raises(ModelFault, match="golden vector 3"):
        load_model(str(folder), FEATURE_VERSION)


def test_a_missing_model_and_another_feature_version_are_named(tmp_path: Path) -> None:
    with pytest.raises(ModelFault, match=r"none/card\.json"):
        load_model(str(tmp_path / "none"), FEATURE_VERSION)
    with pytest.raises(ModelFault, match="feature_version"):
        load_model(default_model_dir(), FEATURE_VERSION + 1)


def test_a_value_that_is_not_a_number_is_refused() -> None:
    model = load_model(default_model_dir(), FEATURE_VERSION)
    z = np.zeros(len(FEATURE_NAMES), np.float32)
    z[3] = np.nan
    with pytest.raises(ModelFault):
        model.score(z)
    with pytest.raises(ModelFault):
        model.score(np.zeros(5, np.float32))
