"""How the probes are made: examples by seed, sound labels of spoilt clips, a training that resumes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from ivbench.config.parse import parse
from ivbench.data.shapes.attributes import MOTIONS
from ivbench.errors import ConfigError, StoreError
from ivbench.train.degrade import KINDS, NONE_LABEL, degrade
from ivbench.train.probes import VALUES, ProbeRecipe, draw_examples, pick_resolution

RECIPES = Path(__file__).parents[3] / "zoo" / "recipes"
LABELS = {"shape": 1, "colour": 2, "background": 3, "size": 0, "style": 0, "motion": 4}


def recipe(name: str, **changes: Any) -> ProbeRecipe:
    return parse(ProbeRecipe, {**yaml.safe_load((RECIPES / f"{name}.yaml").read_text()), **changes}, name)


@pytest.mark.parametrize("name", ["frame-probe", "video-probe", "clip-probe", "clip-probe-b"])
def test_a_recipe_names_its_probe_and_refuses_unknown_keys(name: str) -> None:
    assert recipe(name).name == name
    with pytest.raises(ConfigError, match="stepz"):
        recipe(name, stepz=3)


def test_each_probe_has_a_seed_of_its_own() -> None:
    names = ["frame-probe", "video-probe", "clip-probe", "clip-probe-b"]
    assert len({recipe(name).seed for name in names}) == len(names)
    assert recipe("clip-probe").widths != recipe("clip-probe-b").widths


@pytest.mark.parametrize("clips", [False, True])
def test_examples_are_decided_by_the_seed(clips: bool) -> None:
    one, same, other = (draw_examples(np.random.default_rng(s), 12, 12, 20, clips, 0.5) for s in (1, 1, 2))
    np.testing.assert_array_equal(one.videos, same.videos)
    assert one.captions == same.captions
    assert one.captions != other.captions


def test_examples_show_every_value_and_label_it() -> None:
    examples = draw_examples(np.random.default_rng(3), 400, 12, 20, clips=False, spoilt=0.0)
    assert examples.videos.shape == (400, 1, 12, 20, 3)
    for name, labels in examples.labels.items():
        assert set(labels) - {-1} == set(range(len(VALUES[name]))), name
    assert "motion" not in examples.labels
    says = [any(f" {word}" in text for word in ("moving", "moves", "grow", "stand")) for text in examples.captions]
    assert 0.4 < np.mean(examples.motions >= 0) < 0.6
    np.testing.assert_array_equal(np.array(says), examples.motions >= 0)
    assert set(examples.motions) == set(range(-1, len(MOTIONS)))


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__.strip("_"))
def test_a_spoilt_clip_keeps_its_shape_and_its_labels_are_real_none_or_ignored(kind: Any) -> None:
    rng = np.random.default_rng(5)
    clip, other = (rng.uniform(-1, 1, (4, 12, 20, 3)).astype(np.float32) for _ in range(2))
    lost = False
    for _ in range(40):
        out, labels = kind(clip, dict(LABELS), (other, {name: value + 1 for name, value in LABELS.items()}), rng)
        assert out.shape == clip.shape
        assert np.isfinite(out).all()
        assert labels.keys() == LABELS.keys()
        lost |= NONE_LABEL in labels.values()
    assert lost


def test_spoiling_leaves_the_original_as_it_was() -> None:
    rng = np.random.default_rng(6)
    clip = rng.uniform(-1, 1, (4, 12, 20, 3)).astype(np.float32)
    before, labels = clip.copy(), dict(LABELS)
    for _ in range(60):
        degrade(clip, labels, (clip[::-1], dict(LABELS)), rng)
    np.testing.assert_array_equal(clip, before)
    assert labels == LABELS


def test_resolutions_are_drawn_by_their_shares() -> None:
    rng, plan = np.random.default_rng(0), recipe("frame-probe")
    sizes = [pick_resolution(plan, rng) for _ in range(2000)]
    assert np.mean([size == (24, 40) for size in sizes]) == pytest.approx(0.45, abs=0.05)


@pytest.mark.parametrize("name", ["frame-probe", "video-probe", "clip-probe"])
def test_a_training_that_was_cut_off_resumes_to_the_same_weights(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("torch")
    if name == "clip-probe":
        pytest.importorskip("open_clip")
    from safetensors.numpy import load_file

    from ivbench.train import torch_probes

    small = {"steps": 4, "batch": 6, "checkpoint_every": 2, "resolutions": {"12x20": 1.0}, "frames_first": 2}
    widths = {"widths": [2, 1, 32, 1]} if name == "clip-probe" else {"widths": [8, 8, 8]}
    plan, file = recipe(name, **small, **widths), "open_clip_model" if name == "clip-probe" else "model"
    torch_probes.train(plan, tmp_path / "whole", tmp_path / "a", print)

    draw = torch_probes._examples

    def cut_off(plan: ProbeRecipe, step: int) -> Any:
        if step == 3:
            raise KeyboardInterrupt
        return draw(plan, step)

    monkeypatch.setattr(torch_probes, "_examples", cut_off)
    with pytest.raises(KeyboardInterrupt):
        torch_probes.train(plan, tmp_path / "resumed", tmp_path / "b", print)
    monkeypatch.setattr(torch_probes, "_examples", draw)
    torch_probes.train(plan, tmp_path / "resumed", tmp_path / "b", print)
    whole, resumed = (load_file(tmp_path / run / f"{file}.safetensors") for run in ("whole", "resumed"))
    assert whole.keys() == resumed.keys()
    for key, value in whole.items():
        np.testing.assert_array_equal(resumed[key], value, err_msg=key)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"resolutions": {"12-20": 1.0}}, "resolutions must be shares above 0 of 12x20, 24x40, 48x80"),
        ({"resolutions": {"12x20": 0.0}}, "resolutions must be shares above 0"),
        ({"resolutions": {}}, "resolutions must be shares above 0"),
        ({"widths": (8, 8)}, "widths of a frame-probe are 3 numbers"),
        ({"widths": (12, 8, 8)}, "must be multiples of 8"),
        ({"widths": (0, 8, 8)}, "above 0"),
    ],
)
def test_a_recipe_that_no_probe_can_be_made_of_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        recipe("frame-probe", **changes)


def test_a_finished_training_says_its_loss_again_and_another_recipe_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    from ivbench.train import torch_probes

    small = {"steps": 3, "batch": 6, "checkpoint_every": 2, "resolutions": {"12x20": 1.0}, "widths": [8, 8, 8]}
    first = torch_probes.train(recipe("frame-probe", **small), tmp_path / "out", tmp_path / "a", print)
    again = torch_probes.train(recipe("frame-probe", **small), tmp_path / "out", tmp_path / "a", print)
    assert again["loss"] == first["loss"] > 0
    with pytest.raises(ConfigError, match="another recipe"):
        torch_probes.train(recipe("frame-probe", **small, seed=5), tmp_path / "out", tmp_path / "a", print)
    (tmp_path / "a" / "checkpoint.pt").write_bytes(b"torn")
    with pytest.raises(StoreError, match="torn or not a checkpoint"):
        torch_probes.train(recipe("frame-probe", **small), tmp_path / "out", tmp_path / "a", print)
