"""CMMD: the authors' formula, closed forms, derivatives."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ivbench.metrics import Batch, GaussianStatistics, Reference
from ivbench.metrics import discrepancy as tiling
from ivbench.metrics.cmmd import CMMD, gaussian_kernel
from tests.unit.metrics.cells import conditions

REAL = np.random.default_rng(1).normal(size=(50, 6))


def setting(reference: np.ndarray = REAL, prompts: int = 30) -> Any:
    kept = Reference(GaussianStatistics.empty(reference.shape[1]), "r" * 64, len(reference), reference)
    return conditions(reference=kept, num_prompts=prompts)


def authors(x: np.ndarray, y: np.ndarray) -> float:
    """The formula of the authors' `mmd`, written out pair by pair: sigma 10, scale 1000, diagonals counted."""

    def mean(a: np.ndarray, b: np.ndarray) -> float:
        return float(np.mean([[np.exp(-0.005 * np.sum((p - q) ** 2)) for q in b] for p in a]))

    return 1000 * (mean(x, x) + mean(y, y) - 2 * mean(x, y))


@pytest.mark.parametrize("tile", [7, 1024])
def test_it_is_the_authors_formula(tile: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiling, "_TILE", tile)
    rows = np.random.default_rng(2).normal(0.5, 1.2, (20, 6))
    assert CMMD().measure(setting())(rows) == pytest.approx(authors(rows, REAL), rel=1e-9)


def test_it_is_the_packages_number() -> None:
    golden = json.loads((Path(__file__).parents[2] / "golden" / "features.json").read_text())
    draw = np.random.default_rng(7)
    sides = [draw.normal(size=(90, 6)), draw.normal(0.4, 0.8, (70, 6))]
    reference, generated = (side / np.linalg.norm(side, axis=1, keepdims=True) for side in sides)
    expected = golden["clip-mmd, of the features divided by their lengths"]
    assert CMMD().measure(setting(reference))(generated) == pytest.approx(expected, rel=1e-9)


def test_equal_sets_are_zero_and_two_points_have_a_closed_form() -> None:
    assert CMMD().measure(setting())(REAL) == pytest.approx(0.0, abs=1e-10)
    apart = CMMD().measure(setting(np.zeros((1, 2))))(np.array([[6.0, 8.0]]))
    assert apart == pytest.approx(2000 * (1 - np.exp(-0.5)))


def test_one_row_has_a_value_by_the_same_formula_and_no_interval() -> None:
    row = np.random.default_rng(3).normal(size=(1, 1, 6))
    score = CMMD().score(CMMD().gather([Batch(0, np.zeros(1, np.int64), row)], setting(prompts=1)), setting(), [0])
    assert score.value == pytest.approx(authors(row[0], REAL), rel=1e-9)
    assert score.interval is None


def test_it_rises_with_the_shift_and_never_above_twice_the_scale() -> None:
    value_of = CMMD().measure(setting())
    values = [value_of(REAL + shift) for shift in (0.0, 1.0, 3.0, 100.0)]
    assert values == sorted(values)
    assert values[-1] < 2000


def test_influence_is_the_derivative_by_the_weights_of_groups() -> None:
    rows, member = np.random.default_rng(3).normal(0.4, 1.0, (30, 6)), np.arange(30) % 5
    found = CMMD().influence(rows, member, (1, 5), setting())
    kernel, cross = 1000 * gaussian_kernel(rows, rows), 1000 * gaussian_kernel(rows, REAL).mean(axis=1)

    def estimate(weights: np.ndarray) -> float:
        w = weights[member] / weights[member].sum()
        return float(w @ kernel @ w - 2 * w @ cross)

    step, unit = 1e-4, np.eye(5)
    slope = [(estimate(1 + step * e) - estimate(1 - step * e)) / (2 * step) for e in unit]
    np.testing.assert_allclose(found.first[0], slope, rtol=1e-5)


def test_a_score_says_kernel_and_estimator() -> None:
    chosen, metric = setting(), CMMD()
    features = np.random.default_rng(4).normal(size=(30, 2, 6))
    score = metric.score(metric.gather([Batch(0, np.arange(30), features)], chosen), chosen, [0])
    assert score.interval is not None
    assert score.interval.low < score.value < score.interval.high
    assert (score.fields["sigma"], score.fields["estimator"]) == (10.0, "all pairs and each with itself")
