"""The shipped probes: what their cards say, no dependence on the batch, and nothing seen where nothing is."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml
from numpy.typing import NDArray

from ivbench import registry
from ivbench.data.shapes import combinations, draw_scene, render, to_uint8
from ivbench.data.shapes.attributes import BACKGROUNDS, Attributes
from ivbench.data.shapes.judge import judge
from ivbench.errors import ConfigError, DigestError, MissingFileError, NonFiniteError, ShapeError
from ivbench.extractors import Extractor, ImageTextExtractor, load_extractor

pytest.importorskip("torch")

PROBES = Path(__file__).parents[3] / "zoo" / "probes"
NAMES = ["frame-probe", "video-probe", "clip-probe", "clip-probe-b"]
COUNT = 64


def shipped(name: str) -> Extractor:
    if name.startswith("clip"):
        pytest.importorskip("open_clip")
    return load_extractor(PROBES / name)


@pytest.fixture(scope="module")
def clips() -> tuple[list[Attributes], NDArray[np.uint8]]:
    """Real clips of combinations whose shape grows not, so that a frame shows its size."""
    rng = np.random.default_rng(11)
    every = [row for row in combinations("all") if row.motion != "growing"]
    rows = [every[i] for i in rng.permutation(len(every))[:COUNT]]
    return rows, to_uint8(render([draw_scene(row, rng) for row in rows], 4, 3.0, 12, 20))


def empty_videos(kind: str) -> NDArray[np.uint8]:
    if kind == "noise":
        return np.random.default_rng(12).integers(0, 256, (COUNT, 4, 12, 20, 3), dtype=np.uint8)
    colours = np.array(list(BACKGROUNDS.values()), np.uint8)[np.arange(COUNT) % 4]
    return np.broadcast_to(colours[:, None, None, None], (COUNT, 4, 12, 20, 3)).copy()


@pytest.mark.parametrize("name", NAMES)
def test_a_probe_is_small_keeps_the_door_and_its_card_matches(
    name: str, clips: tuple[list[Attributes], NDArray[np.uint8]]
) -> None:
    probe = shipped(name)
    assert sum(file.stat().st_size for file in (PROBES / name).iterdir()) < 8_000_000
    assert isinstance(probe, ImageTextExtractor if name.startswith("clip") else Extractor)
    assert (probe.name, probe.dim, len(probe.digest)) == (name, 32, 64)
    card = yaml.safe_load((PROBES / name / "card.yaml").read_text())
    shown = {"card.yaml", "response.csv", "response.svg"}  # never read: they decide nothing
    assert set(card["files"]) == {file.name for file in (PROBES / name).iterdir()} - shown
    assert card["details"]["preprocess"] == probe.preprocess
    features = probe.extract(clips[1][:3])
    assert features.shape == ((3, 32) if probe.kind == "clips" else (3, 4, 32))
    assert features.dtype == np.float32


@pytest.mark.parametrize("name", NAMES)
def test_features_do_not_depend_on_the_rest_of_the_batch(
    name: str, clips: tuple[list[Attributes], NDArray[np.uint8]]
) -> None:
    probe, videos = shipped(name), clips[1]
    together = probe.extract(videos)
    apart = np.concatenate([probe.extract(videos[:1]), probe.extract(videos[1:6]), probe.extract(videos[6:])])
    np.testing.assert_allclose(apart, together, rtol=1e-5, atol=1e-5 * max(1.0, float(abs(together).max())))


@pytest.mark.parametrize("name", ["frame-probe", "video-probe"])
def test_a_probe_answers_right_on_real_clips_and_at_chance_on_other_captions(
    name: str, clips: tuple[list[Attributes], NDArray[np.uint8]]
) -> None:
    rows, videos = clips
    answers = shipped(name).predict(videos)  # type: ignore[attr-defined]
    for attribute, said in answers.items():
        truth = np.array([getattr(row, attribute) for row in rows]).reshape(-1, *(1,) * (said.ndim - 1))
        assert (said == truth).mean() >= 0.9, attribute
        if attribute != "style":
            chance = float(np.mean(truth.ravel()[:, None] == truth.ravel()))
            others = (said == np.roll(truth, 17, axis=0)).mean()
            assert abs(others - chance) < 4.5 * np.sqrt(chance * (1 - chance) / COUNT), attribute


@pytest.mark.parametrize("name", ["frame-probe", "video-probe"])
@pytest.mark.parametrize("kind", ["blank", "noise"])
def test_a_probe_sees_no_shape_colour_or_size_where_there_is_none(name: str, kind: str) -> None:
    answers = shipped(name).predict(empty_videos(kind))  # type: ignore[attr-defined]
    for attribute in ("shape", "colour", "size"):
        assert (answers[attribute] == "none").mean() >= 0.9, attribute


def test_the_video_probe_agrees_with_the_geometric_judge_on_real_clips(
    clips: tuple[list[Attributes], NDArray[np.uint8]],
) -> None:
    verdicts, answers = judge(clips[1]), shipped("video-probe").predict(clips[1])  # type: ignore[attr-defined]
    for attribute, said in answers.items():
        assert np.mean([getattr(v, attribute) == word for v, word in zip(verdicts, said, strict=True)]) >= 0.9


@pytest.mark.parametrize("name", ["frame-probe", "video-probe"])
def test_what_is_no_video_is_refused(name: str) -> None:
    probe = shipped(name)
    with pytest.raises(ShapeError, match=r"reads \[B, T, H, W, 3\] uint8"):
        probe.extract(np.zeros((1, 12, 20, 3), np.uint8))
    assert len(probe.extract(np.zeros((0, 4, 12, 20, 3), np.uint8))) == 0


def test_an_altered_file_is_found_before_it_is_read(tmp_path: Path) -> None:
    folder = shutil.copytree(PROBES / "frame-probe", tmp_path / "frame-probe")
    weights = bytearray((folder / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (folder / "model.safetensors").write_bytes(weights)
    with pytest.raises(DigestError, match=r"model\.safetensors has sha256"):
        load_extractor(folder)
    (folder / "model.safetensors").unlink()
    with pytest.raises(MissingFileError, match=r"model\.safetensors is not there"):
        load_extractor(folder)
    (folder / "card.yaml").unlink()
    with pytest.raises(MissingFileError, match=r"card\.yaml is not there"):
        load_extractor(folder)


def test_weights_that_do_not_fit_or_are_not_finite_are_refused(tmp_path: Path) -> None:
    import torch
    from safetensors.torch import load_file, save_file

    folder = shutil.copytree(PROBES / "frame-probe", tmp_path / "frame-probe")
    probe = registry.load("extractor", "frame-probe")
    weights = load_file(folder / "model.safetensors")
    save_file({**weights, "project.bias": torch.full((32,), float("nan"))}, folder / "model.safetensors")
    with pytest.raises(NonFiniteError, match=r"project\.bias"):
        probe(folder, name="a-probe")
    save_file({k: v for k, v in weights.items() if k != "project.bias"}, folder / "model.safetensors")
    with pytest.raises(ConfigError, match=r"does not fit its config\.json"):
        probe(folder, name="a-probe")
    (folder / "config.json").write_text('{"widths": [8, 8, 8]}')
    with pytest.raises(ConfigError, match='lacks "extractor"'):
        probe(folder, name="a-probe")
