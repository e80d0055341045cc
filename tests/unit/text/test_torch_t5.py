"""T5 encoders: a tiny one made here, and the zoo's t5-mini."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from safetensors.numpy import load_file, save_file  # noqa: E402 - after the gate

from ivbench import registry  # noqa: E402 - after the gate
from ivbench.config.yaml import read_yaml  # noqa: E402 - after the gate
from ivbench.data.shapes import caption, combinations, image_caption  # noqa: E402 - after the gate
from ivbench.data.shapes.captions import prompts, vocabulary_captions  # noqa: E402 - after the gate
from ivbench.errors import ConfigError, MissingFileError, NonFiniteError  # noqa: E402 - after the gate
from ivbench.text import TextEncoder  # noqa: E402 - after the gate
from ivbench.text.torch_t5 import T5TextEncoder  # noqa: E402 - after the gate
from ivbench.train import text_encoder, torch_text_encoder  # noqa: E402 - after the gate

ZOO = Path(__file__).parents[3] / "zoo"
MINI = ZOO / "t5-mini"
CAPTIONS = [image_caption(row, 0) for row in combinations("test")] + [caption(row, 3) for row in combinations("test")]


def _tiny_recipe() -> dict[str, Any]:
    recipe: dict[str, Any] = read_yaml(ZOO / "recipes" / "t5-mini.yaml")
    recipe["model"] = {"d_model": 16, "d_kv": 8, "d_ff": 16, "num_layers": 1, "num_heads": 2}
    recipe["training"] |= {"steps": 2, "batch": 4, "warmup": 1}
    return recipe | {"name": "tiny"}


def _train_tiny(out: Path, **changes: Any) -> Path:
    """Train on few captions and without the probe, which takes most of the time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch_text_encoder, "vocabulary_captions", lambda: CAPTIONS)
        patch.setattr(text_encoder, "vocabulary_captions", lambda: CAPTIONS)
        patch.setattr(text_encoder, "probe_accuracies", lambda embed: {"shape": 0.5})
        return text_encoder.train_text_encoder(_tiny_recipe() | changes, out, progress=lambda line: None)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A T5 of 16 features, trained for two steps."""
    return _train_tiny(tmp_path_factory.mktemp("tiny"))


@pytest.fixture
def altered(tiny: Path, tmp_path: Path) -> Path:
    """A copy of the tiny encoder, to be damaged."""
    for file in tiny.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    return tmp_path


@pytest.fixture(scope="module")
def mini() -> T5TextEncoder:
    return T5TextEncoder(MINI)


def test_shapes_types_and_mask(tiny: Path) -> None:
    found = T5TextEncoder(tiny).encode(["a red circle", ""])
    assert found.tokens.shape == (2, 24, 16)
    assert found.tokens.dtype == found.pooled.dtype == np.float32
    assert found.mask.dtype == bool
    assert found.mask.sum(axis=1).tolist() == [4, 1]
    assert not found.tokens[~found.mask].any()
    np.testing.assert_allclose(found.pooled[0], found.tokens[0, :4].mean(axis=0), atol=1e-6)
    assert found.truncated == 0


def test_no_prompts_give_empty_arrays(tiny: Path) -> None:
    found = T5TextEncoder(tiny).encode([])
    assert (found.tokens.shape, found.pooled.shape, found.truncated) == ((0, 24, 16), (0, 16), 0)


def test_it_is_a_text_encoder_and_registered(tiny: Path) -> None:
    assert registry.load("text_encoder", "t5") is T5TextEncoder
    assert isinstance(T5TextEncoder(tiny), TextEncoder)


def test_equals_transformers_own_forward_pass(tiny: Path) -> None:
    text = "a small red circle moving left over a grey background"
    tokenizer = transformers.AutoTokenizer.from_pretrained(str(tiny))
    model = transformers.T5EncoderModel.from_pretrained(str(tiny)).float().eval()
    with torch.no_grad():
        expected = model(**tokenizer(text, return_tensors="pt")).last_hidden_state[0].numpy()
    found = T5TextEncoder(tiny).encode([text])
    np.testing.assert_allclose(found.tokens[0, : len(expected)], expected, atol=1e-5)


def test_truncation_keeps_the_end_token_and_is_counted(tiny: Path) -> None:
    encoder = T5TextEncoder(tiny, max_length=3)
    found = encoder.encode(["red circle", "a red circle", "a red"])
    ids, _, _ = encoder._tokenize(["a red circle"])
    assert found.truncated == 1
    assert ids[0, -1] == encoder._tokenizer.eos_token_id
    np.testing.assert_allclose(found.tokens[1], found.tokens[2], atol=1e-6)


def test_digest_follows_the_weights(tiny: Path, altered: Path) -> None:
    weights = {name: value.copy() for name, value in load_file(altered / "model.safetensors").items()}
    next(iter(weights.values()))[0] += 1
    save_file(weights, altered / "model.safetensors", metadata={"format": "pt"})
    assert T5TextEncoder(altered).digest != T5TextEncoder(tiny).digest


def test_nan_in_the_weights_is_refused(altered: Path) -> None:
    weights = {name: value.copy() for name, value in load_file(altered / "model.safetensors").items()}
    weights["shared.weight"][0, 0] = np.nan
    save_file(weights, altered / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(NonFiniteError, match=r"shared\.weight"):
        T5TextEncoder(altered)


def test_a_partial_checkpoint_is_refused(altered: Path) -> None:
    weights = load_file(altered / "model.safetensors")
    del weights["encoder.final_layer_norm.weight"]
    save_file(weights, altered / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ConfigError, match="final_layer_norm"):
        T5TextEncoder(altered)


def test_pickled_weights_are_refused(altered: Path) -> None:
    (altered / "model.safetensors").rename(altered / "pytorch_model.bin")
    with pytest.raises(MissingFileError, match="safetensors"):
        T5TextEncoder(altered)


def test_another_kind_of_model_is_refused(altered: Path) -> None:
    (altered / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(ConfigError, match=r'"bert".*"t5"'):
        T5TextEncoder(altered)


def test_a_missing_folder_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match="does not exist") as caught:
        T5TextEncoder(tmp_path / "nothing")
    assert "\n" not in str(caught.value)


def test_a_hub_id_that_cannot_be_fetched_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    def refuse(*args: object, **options: object) -> str:
        raise OSError("no network\nmore lines")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", refuse)
    with pytest.raises(MissingFileError, match="no network") as caught:
        T5TextEncoder("google/t5-v1_1-xxl")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("options", [{"max_length": 1}, {"batch_size": 0}, {"revision": "main"}])
def test_settings_out_of_range_are_refused(tiny: Path, options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(options))):
        T5TextEncoder(tiny, **options)


def test_training_repeats_with_its_seed(tiny: Path, tmp_path: Path) -> None:
    again = T5TextEncoder(_train_tiny(tmp_path / "again"))
    other = T5TextEncoder(_train_tiny(tmp_path / "other", seed=1))
    assert again.digest == T5TextEncoder(tiny).digest != other.digest


def test_training_writes_a_card_of_what_it_made(tiny: Path) -> None:
    card = read_yaml(tiny / "card.yaml")
    assert (card["name"], card["kind"], card["dim"], card["max_length"]) == ("tiny", "text-encoder", 16, 24)
    assert card["digest"] == T5TextEncoder(tiny).digest
    assert (card["training"]["steps"], card["probe"]["accuracy"]) == (2, {"shape": 0.5})


def test_a_caption_longer_than_max_length_stops_training(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="the longest caption has 17 tokens"):
        _train_tiny(tmp_path, max_length=16)


def test_mini_is_what_its_card_says(mini: T5TextEncoder) -> None:
    card = read_yaml(MINI / "card.yaml")
    assert mini.digest == card["digest"]
    assert (mini.name, mini.dim, mini.max_length) == (card["name"], card["dim"], card["max_length"])
    found = {name: hashlib.sha256((MINI / name).read_bytes()).hexdigest() for name in card["files"]}
    assert found == card["files"]
    assert {file.name for file in MINI.iterdir()} == {*card["files"], "card.yaml"}
    assert sum(file.stat().st_size for file in MINI.iterdir()) < 2_000_000


def test_mini_embeds_a_prompt_the_same_in_any_batch(mini: T5TextEncoder) -> None:
    texts = prompts("test")[:70]
    together = mini.encode(texts)
    alone = [mini.encode([text]) for text in texts[::23]]
    for one, index in zip(alone, range(0, 70, 23), strict=True):
        np.testing.assert_allclose(one.tokens[0], together.tokens[index], atol=1e-5)
        np.testing.assert_allclose(one.pooled[0], together.pooled[index], atol=1e-5)


def test_mini_takes_any_text(mini: T5TextEncoder) -> None:
    strange = ["", "zebra 火 \x00 quantum", "<script>alert('x')</script>", "../../etc/passwd", "a red circle " * 800]
    found = mini.encode(strange)
    assert len(strange[-1]) > 10_000
    assert found.truncated == 1
    assert found.mask.any(axis=1).all()
    assert np.isfinite(found.tokens).all()
    assert mini._tokenize(strange)[0][-1, -1] == mini._tokenizer.eos_token_id


def test_mini_truncates_no_caption_of_the_domain(mini: T5TextEncoder) -> None:
    assert mini._tokenize(vocabulary_captions()[::29])[2] == 0


def test_mini_lets_a_linear_probe_read_every_attribute(mini: T5TextEncoder) -> None:
    accuracies = text_encoder.probe_accuracies(lambda texts: mini.encode(texts).pooled, stride=19)
    assert min(accuracies.values()) > 0.99
