"""Attribute accuracy: verdicts of a judge against what captions ask for."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ivbench import registry
from ivbench.data.shapes import Attributes, caption, combinations, draw_scene, render, to_uint8
from ivbench.data.shapes.labels import VOCABULARY
from ivbench.errors import ConfigError, ShapeError
from ivbench.extractors.geometric_judge import GeometricJudge
from ivbench.metrics import Batch, Conditions
from tests.unit.metrics.cells import conditions

ROWS = combinations("test")[:30]
NAMES = [f"{attribute}_accuracy" for attribute in ("background", "colour", "motion", "shape", "style")]


def verdicts(rows: list[Attributes]) -> np.ndarray:
    return np.array([[v.index(getattr(row, k)) for k, v in VOCABULARY.items()] for row in rows], np.float32)


def asked(rows: list[Attributes] | tuple[Attributes, ...] = ROWS) -> Conditions:
    return replace(conditions(num_prompts=len(rows)), captions=tuple(caption(row) for row in rows))


def value(name: str, features: np.ndarray, chosen: Conditions) -> float:
    metric = registry.load("metric", name)()
    evidence = metric.gather([Batch(0, np.arange(len(features)), features)], chosen)
    return float(metric.score(evidence, chosen, [0]).value)


@pytest.mark.parametrize("name", NAMES)
def test_right_verdicts_score_100_and_none_scores_0(name: str) -> None:
    right = verdicts(list(ROWS))
    assert value(name, right, asked()) == 100
    assert value(name, np.full_like(right, -1), asked()) == 0


@pytest.mark.parametrize("name", NAMES)
def test_one_wrong_verdict_of_30_costs_a_30th_of_its_attribute_alone(name: str) -> None:
    for place, attribute in enumerate(VOCABULARY):
        features = verdicts(list(ROWS))
        features[7, place] = -1
        expected = 100 * 29 / 30 if name == f"{attribute}_accuracy" else 100
        assert value(name, features, asked()) == pytest.approx(expected)


def test_chance_stands_beside() -> None:
    metric = registry.load("metric", "shape_accuracy")()
    evidence = metric.gather([Batch(0, np.arange(30), verdicts(list(ROWS)))], asked())
    assert metric.score(evidence, asked(), [0]).context["chance"] == 20


def test_the_geometric_judge_is_right_on_real_clips() -> None:
    scenes = [draw_scene(row, np.random.default_rng(i)) for i, row in enumerate(ROWS)]
    features = GeometricJudge().extract(to_uint8(render(scenes, 8, 6, 24, 40)))
    for name in NAMES:
        assert value(name, features, asked()) == 100


def test_captions_of_the_image_only_styles_are_understood() -> None:
    styled = [replace(row, style=style) for row, style in zip(ROWS, ("outlined", "striped") * 15, strict=True)]
    assert value("style_accuracy", verdicts(styled), asked(styled)) == 100
    assert value("style_accuracy", verdicts(list(ROWS)), asked(styled)) == 0


def test_a_prompt_that_is_no_caption_is_an_error() -> None:
    chosen = replace(conditions(num_prompts=1), captions=("a cat",))
    with pytest.raises(ConfigError, match="no canonical caption"):
        value("shape_accuracy", verdicts([ROWS[0]]), chosen)


def test_features_that_are_no_verdicts_are_an_error() -> None:
    with pytest.raises(ShapeError, match="reads verdicts"):
        value("shape_accuracy", np.zeros((30, 3), np.float32), asked())
