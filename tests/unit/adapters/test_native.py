"""Cascades of the native format: what is loaded, and everything that is refused."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from safetensors.numpy import save

pytest.importorskip("torch")

from ivbench.adapters import Cascade, open_cascade, open_text_encoder
from ivbench.config import read_cascade
from ivbench.errors import ConfigError, DigestError, IvbenchError, MissingFileError, NonFiniteError
from ivbench.spec import parameters
from ivbench.spec.cascade import TextSpec
from ivbench.zoo import read_card

UNET = {
    "channels": 8,
    "multipliers": [1],
    "blocks": [1],
    "spatial_attention": [False],
    "temporal": ["attention"],
    "head_dim": 4,
    "groups": 4,
    "text_dim": 6,
    "embedding_dim": 8,
}
BASE = {"name": "base", "kind": "base", "frames": 2, "height": 4, "width": 6, "fps": 3, "unet": UNET}
LATER = {"name": "tsr1", "kind": "tsr", "frames": 4, "height": 4, "width": 6, "fps": 6}
CASCADE = {
    "name": "tiny",
    "text": {"encoder": "no-such-encoder", "dim": 6, "length": 5},
    "stages": [BASE, LATER | {"unet": UNET | {"conditioning": True}}],
}

Change = Callable[[dict[str, Any]], Any]


def write_cascade(zoo: Path, change: Change = lambda weights: None, data: bytes | None = None) -> Path:
    """A cascade's folder with weights for `base` alone, its card in order with whatever was written."""
    folder = zoo / "tiny"
    folder.mkdir(parents=True)
    (folder / "cascade.yaml").write_text(json.dumps(CASCADE))
    shapes = parameters(read_cascade(folder / "cascade.yaml").stage("base").unet)
    rng = np.random.default_rng(0)
    weights = {name: (0.1 * rng.standard_normal(shape)).astype(np.float16) for name, shape in shapes.items()}
    change(weights)
    (folder / "base.safetensors").write_bytes(save(weights) if data is None else data)
    files = {f.name: hashlib.sha256(f.read_bytes()).hexdigest() for f in folder.iterdir()}
    card = {"name": "tiny", "kind": "cascade", "licence": "Apache-2.0", "weights": {"base": "base.safetensors"}}
    (folder / "card.yaml").write_text(yaml.safe_dump(card | {"files": files}))
    return folder


def opened(folder: Path) -> Cascade:
    return open_cascade(read_card(folder), zoo=folder.parent)


def test_a_sound_cascade_is_loaded_and_kept(tmp_path: Path) -> None:
    cascade = opened(write_cascade(tmp_path))
    assert [stage.name for stage in cascade.spec.stages] == ["base", "tsr1"]
    model = cascade.stage_model("base")
    assert model.stage == cascade.spec.stage("base")
    assert cascade.stage_model("base") is model


def test_nothing_is_loaded_before_it_is_asked_for(tmp_path: Path) -> None:
    folder = write_cascade(tmp_path)
    (folder / "base.safetensors").unlink()
    assert opened(folder).spec.name == "tiny"


def _set(name: str, value: Any) -> Change:
    return lambda weights: weights.__setitem__(name, value)


def _poison(weights: dict[str, Any]) -> None:
    weights["head.weight"][0, 0] = np.nan


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (_poison, NonFiniteError, "NaN or infinity in its weight head.weight"),
        (_set("stem.bias", np.zeros(9, np.float16)), ConfigError, r"1 of another shape \(stem.bias \[9\] for \[8\]\)"),
        (_set("extra", np.zeros(1, np.float16)), ConfigError, r"1 unexpected \(extra\)"),
        (lambda weights: weights.pop("head.bias"), ConfigError, r"1 missing \(head.bias\)"),
    ],
)
def test_weights_that_cannot_be_used_are_refused(
    tmp_path: Path, change: Change, error: type[IvbenchError], message: str
) -> None:
    with pytest.raises(error, match=message):
        opened(write_cascade(tmp_path, change)).stage_model("base")


def test_altered_weights_are_refused(tmp_path: Path) -> None:
    folder = write_cascade(tmp_path)
    path = folder / "base.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(DigestError, match=r"base.safetensors has sha256 \w{12}, its card says \w{12}"):
        opened(folder).stage_model("base")


@pytest.mark.parametrize("data", [b"", b"not safetensors", b"\x80\x02}q\x00.", save({"a": np.zeros(4)})[:-3]])
def test_a_file_that_is_not_safetensors_is_refused(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(ConfigError, match=r"base.safetensors is not a safetensors file"):
        opened(write_cascade(tmp_path, data=data)).stage_model("base")


def test_missing_weights_are_one_line(tmp_path: Path) -> None:
    folder = write_cascade(tmp_path)
    (folder / "base.safetensors").unlink()
    with pytest.raises(MissingFileError, match=r"base.safetensors is not there"):
        opened(folder).stage_model("base")


@pytest.mark.parametrize("name", ["tsr1", "bse"])
def test_a_stage_without_weights_is_one_line(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match=f'"tiny" has no weights for stage "{name}". It has weights for: base'):
        opened(write_cascade(tmp_path)).stage_model(name)


@pytest.mark.parametrize(
    ("backend", "dtype", "net"),
    [("torch", "float32", "TorchStageModel"), ("torch", "bfloat16", "TorchStageModel"), ("jax", "float32", "Jax")],
)
def test_one_weights_file_serves_both_backends(tmp_path: Path, backend: str, dtype: str, net: str) -> None:
    if backend == "jax":
        pytest.importorskip("jax")
    model = open_cascade(read_card(write_cascade(tmp_path)), backend=backend, dtype=dtype).stage_model("base")
    assert type(model).__name__.startswith(net)


class Elsewhere:
    """An adapter that says nothing of backends."""

    def __init__(self, *given: object) -> None:
        self.given = given


@pytest.mark.parametrize("asked", [{"backend": "jax"}, {"dtype": "bfloat16"}])
def test_an_adapter_that_lists_no_backends_runs_in_torch_and_float32_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: dict[str, str]
) -> None:
    card = read_card(write_cascade(tmp_path))
    monkeypatch.setattr("ivbench.registry.load", lambda *_: Elsewhere)
    assert open_cascade(card).given == (card, "cpu", None)  # type: ignore[attr-defined]
    with pytest.raises(ConfigError, match=r'the adapter "native" got backend .* Allowed: torch in float32'):
        open_cascade(card, **asked)


def test_a_backend_that_an_adapter_lacks_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"got backend numpy and dtype float32\. Allowed: torch, jax"):
        open_cascade(read_card(write_cascade(tmp_path)), backend="numpy")


def test_a_device_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    cascade = open_cascade(read_card(write_cascade(tmp_path)), device="cuda:99")
    with pytest.raises(ConfigError, match='device "cuda:99" cannot be used by PyTorch here'):
        cascade.stage_model("base")


def test_a_text_encoder_that_is_nowhere_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("transformers")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(MissingFileError, match="no-such-encoder"):
        opened(write_cascade(tmp_path)).text_encoder()


class FakeEncoder:
    """A text encoder of width 6."""

    dim = 6

    def __init__(self, source: str | Path, max_length: int, device: str) -> None:
        self.source, self.max_length, self.device = source, max_length, device


@pytest.fixture
def fake_encoder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ivbench.registry.load", lambda kind, name: FakeEncoder)


@pytest.mark.usefixtures("fake_encoder")
def test_a_text_encoder_of_the_zoo_is_verified_and_opened_from_its_folder(tmp_path: Path) -> None:
    (tmp_path / "words").mkdir()
    (tmp_path / "words" / "config.json").write_text("{}")
    digest = hashlib.sha256(b"{}").hexdigest()
    card = {"name": "words", "kind": "text-encoder", "licence": "Apache-2.0", "files": {"config.json": digest}}
    (tmp_path / "words" / "card.yaml").write_text(yaml.safe_dump(card))
    text = TextSpec(encoder="words", dim=6, length=5)
    encoder: Any = open_text_encoder(text, "cpu", tmp_path)
    assert (encoder.source, encoder.max_length, encoder.device) == (tmp_path.resolve() / "words", 5, "cpu")
    (tmp_path / "words" / "config.json").write_text("{ }")
    with pytest.raises(DigestError, match=r"config.json has sha256"):
        open_text_encoder(text, "cpu", tmp_path)


@pytest.mark.usefixtures("fake_encoder")
def test_a_text_encoder_of_another_width_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"gives tokens of width 6, cascade.yaml says 7"):
        open_text_encoder(TextSpec(encoder="some/where", dim=7, length=5), zoo=tmp_path)
