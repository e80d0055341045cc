"""CLIP through open_clip against transformers' CLIP: the same random weights, photographs, long texts, QuickGELU."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import torch
from numpy.typing import NDArray

from ivbench.config import ImageText, ResizeStep, profile
from ivbench.errors import ConfigError
from ivbench.extractors.clip_weights import load_clip
from ivbench.extractors.torch_clip import ClipExtractor
from tests.peers.clip_material import LONG, VIT, clip_folder, clip_state, hugging_face_model, hugging_face_tokenizer

GOLDEN = Path(__file__).parents[2] / "golden" / "peers.npz"
TEXTS = ["a photo of a cat", "A rocket, 3 clouds & the sea!", "caf\u00e9 d'\u00e9t\u00e9: l'\u00e9toile", LONG]
STEPS = (ResizeStep(kernel="torch-bicubic-bytes", size=224, fit="crop-floor"),)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return clip_folder(tmp_path_factory.mktemp("clip") / "tiny")


@pytest.fixture(scope="module")
def theirs() -> Any:
    return hugging_face_model()


def photographs() -> list[NDArray[np.uint8]]:
    """Crops of photographs, of many sizes; one is wide, and its scaled width exceeds the crop by an odd number."""
    with np.load(GOLDEN) as arrays:
        return [*(arrays[f"reference_image_{i}"] for i in range(4)), arrays["reference_image_1"][:36]]


def unit(features: Any) -> NDArray[np.float32]:
    tensor = getattr(features, "pooler_output", features)
    return (tensor / tensor.norm(dim=-1, keepdim=True)).numpy()


@torch.no_grad()
def test_image_features_are_transformers(folder: Path, theirs: Any) -> None:
    from transformers import CLIPImageProcessor

    images = [torch.from_numpy(image).permute(2, 0, 1) for image in photographs()]
    pixels = CLIPImageProcessor()(images=images, return_tensors="pt")["pixel_values"]
    expected = unit(theirs.get_image_features(pixel_values=pixels))
    ours = ClipExtractor(folder, steps=STEPS)
    got = np.stack([ours.extract(image[None, None])[0, 0] for image in photographs()])
    assert np.abs(expected - expected.mean(0)).max() > 0.01  # the photographs are told apart
    np.testing.assert_allclose(got, expected, atol=1e-5)
    rounded = ClipExtractor(folder, steps=(STEPS[0].model_copy(update={"fit": "crop"}),))
    assert np.abs(rounded.extract(photographs()[-1][None, None])[0, 0] - expected[-1]).max() > 1e-4


@torch.no_grad()
def test_text_features_are_transformers_and_a_long_text_keeps_its_end_token(folder: Path, theirs: Any) -> None:
    tokenizer = hugging_face_tokenizer()
    tokens = tokenizer(TEXTS, padding=True, truncation=True, max_length=77, return_tensors="pt")
    expected = unit(theirs.get_text_features(**tokens))
    ours = ClipExtractor(folder)
    np.testing.assert_allclose(ours.embed_text(TEXTS), expected, atol=1e-5)
    assert ours.truncated(TEXTS).tolist() == [False, False, False, True]
    assert int(ours._tokens([LONG])[0, -1]) == int(tokens["input_ids"][3, -1]) == tokenizer.eos_token_id
    assert [len(ids) for ids in tokenizer(TEXTS)["input_ids"]] == [len(ours._ids(text)) for text in TEXTS]


WILD = {
    "entities": "salt &amp; pepper &lt;b&gt; &#39;q&#39;",
    "quotes": "\u201ccurly\u201d the dog\u2019s \u2014 dash\u2026",
    "full width": "\uff46\uff55\uff4c\uff4c\u3000\uff57\uff49\uff44\uff54\uff48",
    "ligatures": "\ufb01ne o\ufb03ce",
    "broken": "s\u00c3\u00a3o paulo",
    "control": "a\x00cat\x07",
    "emoji": "a dog \U0001f436 \U0001f469\u200d\U0001f467",
    "scripts": "\u4e00\u53ea\u732b  \u0642\u0637\u0629 \u039f\u0394\u039f\u03a3 \u0130",
    "apart": "cafe\u0301 so\u00adft\u200b",
    "white": " A\u00a0CAT\n on\ttwo ",
}


@pytest.mark.parametrize("text", WILD.values(), ids=WILD)
def test_a_plain_text_has_transformers_tokens(folder: Path, text: str) -> None:
    assert ClipExtractor(folder, text="plain")._ids(text) == hugging_face_tokenizer()(text)["input_ids"]


def test_a_repaired_text_is_the_plain_one_of_what_was_meant(folder: Path) -> None:
    repaired, plain = ClipExtractor(folder), ClipExtractor(folder, text="plain")
    meant = ["salt & pepper <b> 'q'", None, "full width", "fine office", "s\u00e3o paulo", "acat"]
    for text, clear in zip(WILD.values(), meant, strict=False):
        assert repaired._ids(text) != plain._ids(text)
        assert clear is None or repaired._ids(text) == plain._ids(clear)


@torch.no_grad()
def test_a_text_whose_end_token_is_cut_is_known_by_its_start_alone(folder: Path, theirs: Any) -> None:
    ids = hugging_face_tokenizer()(LONG, return_tensors="pt")["input_ids"][:, :77]
    expected = unit(theirs.get_text_features(input_ids=ids, attention_mask=torch.ones_like(ids)))
    keep, cut = ClipExtractor(folder), ClipExtractor(folder, long_text="cut")
    np.testing.assert_allclose(cut.embed_text([LONG]), expected, atol=1e-5)
    np.testing.assert_allclose(cut.embed_text([LONG]), cut.embed_text(["no dogs " + LONG]), atol=1e-6)
    assert np.abs(keep.embed_text([LONG]) - expected).max() > 0.01
    np.testing.assert_array_equal(cut.embed_text(TEXTS[:3]), keep.embed_text(TEXTS[:3]))


@torch.no_grad()
def test_the_other_activation_gives_other_features(folder: Path, tmp_path: Path) -> None:
    plain = ClipExtractor(clip_folder(tmp_path / "plain", quick_gelu=False))
    tokens = hugging_face_tokenizer()(TEXTS[:2], padding=True, return_tensors="pt")
    expected = unit(hugging_face_model(quick_gelu=False).get_text_features(**tokens))
    np.testing.assert_allclose(plain.embed_text(TEXTS[:2]), expected, atol=1e-5)
    assert np.abs(ClipExtractor(folder).embed_text(TEXTS[:2]) - expected).max() > 1e-3


def test_a_folder_that_is_the_profiles_model_with_the_other_activation_is_refused(tmp_path: Path) -> None:
    choice = ImageText(model="ViT-B-32-quickgelu", pretrained="openai")
    config = {**open_clip.get_model_config("ViT-B-32-quickgelu"), "quick_gelu": False}
    (tmp_path / "open_clip_config.json").write_text(json.dumps({"model_cfg": config}))
    (tmp_path / "open_clip_model.safetensors").write_bytes(b"")
    with pytest.raises(ConfigError, match="without QuickGELU; the profile names it with"):
        load_clip(choice, tmp_path)
    (tmp_path / "open_clip_config.json").write_text("[]")
    with pytest.raises(ConfigError, match="no open_clip configuration"):
        load_clip(choice, tmp_path)


@pytest.mark.parametrize("suffix", [".safetensors", ".pt"])
def test_a_file_of_weights_of_a_named_model_is_that_model(
    suffix: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from safetensors.torch import save_file

    from tests.peers.clip_material import settings

    known = tmp_path / "known"
    known.mkdir()
    (known / "tiny-quickgelu.json").write_text(json.dumps(settings(VIT)))
    open_clip.add_model_config(known)
    monkeypatch.setattr("open_clip.get_pretrained_cfg", lambda *_: {"quick_gelu": True})
    path = tmp_path / f"weights{suffix}"
    (save_file if suffix == ".safetensors" else torch.save)(clip_state(VIT), path)
    made = load_clip(ImageText(model="tiny-quickgelu", pretrained="mine"), path)
    np.testing.assert_array_equal(made.embed_text(TEXTS), ClipExtractor(folder).embed_text(TEXTS))
    assert made.name == f"CLIP of weights{suffix}, unverified weights"
    with pytest.raises(ConfigError, match=r"is not open_clip's ViT-B-32-quickgelu"):
        load_clip(profile("hessel-clipscore").image_text, path)  # type: ignore[arg-type]
