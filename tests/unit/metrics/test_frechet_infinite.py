"""Extrapolation to infinitely many videos: the line's closed form, the bias that it removes, its interval."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ivbench.errors import ShapeError
from ivbench.metrics import Batch, GaussianStatistics
from ivbench.metrics.frechet import Target
from ivbench.metrics.frechet_infinite import FVDInfinite, _line, _moved, extrapolate, intercept_weights
from ivbench.metrics.frechet_influence import frechet_influence
from ivbench.metrics.fvd import FVD
from ivbench.metrics.statistics import merge_all
from tests.unit.metrics.cells import conditions

DIM, PROMPTS = 4, 60
REAL = np.random.default_rng(0).normal(size=(4000, DIM))


def setting(prompts: int = PROMPTS):  # type: ignore[no-untyped-def]
    return conditions(num_prompts=prompts, reference=FVD().prepare([REAL], "r" * 64, len(REAL)))


@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(2, 5000), min_size=2, max_size=15, unique=True), st.floats(-9, 9), st.floats(-99, 99))
def test_the_intercept_of_a_line_over_one_by_n_is_exact(sizes: list[int], far: float, slope: float) -> None:
    n = np.array(sizes, np.float64)
    weights = intercept_weights(n)
    assert weights.sum() == pytest.approx(1.0, abs=1e-6)
    assert weights @ (far + slope / n) == pytest.approx(far, abs=1e-5)


def test_it_has_a_fraction_of_the_bias() -> None:
    chosen, found = setting(), {FVD: [], FVDInfinite: []}
    for seed in range(25):
        features = np.random.default_rng(seed + 1).normal(0.1, 1.0, (PROMPTS, DIM))
        for metric, values in found.items():
            values.append(metric().gather([Batch(0, np.arange(PROMPTS), features)], chosen).pooled)
    truth = DIM * 0.01
    bias = {metric: np.mean(values) - truth for metric, values in found.items()}
    assert bias[FVD] > 0.1
    assert abs(bias[FVDInfinite]) < 0.6 * bias[FVD]


def test_more_of_the_same_videos_leave_the_extrapolation_at_the_distance() -> None:
    rows = np.random.default_rng(1).normal(0.5, 1.0, (50, DIM))
    parts = [GaussianStatistics.of(rows)] * 12
    target = Target(GaussianStatistics.of(REAL), ddof=0)
    assert extrapolate(target, parts) == pytest.approx(target.distance(parts[0]), rel=1e-9)


def test_its_influence_is_the_derivative_by_weights_where_the_gradient_is_the_same_for_all_subsets() -> None:
    """A reference far off: the distance is that of the means but for little, and its gradient hardly changes."""
    parts = [GaussianStatistics.of(np.random.default_rng(place).normal(size=(3, DIM))) for place in range(12)]
    target = Target(GaussianStatistics.of(REAL + 300.0), ddof=0)
    line, sizes = _line(target, parts), np.full(12, 3.0)

    def intercept(weights: np.ndarray) -> float:
        heavy = [GaussianStatistics(w * p.n, p.mean, w * p.scatter) for w, p in zip(weights, parts, strict=True)]
        distances = [target.distance(merge_all(heavy[place] for place in np.flatnonzero(row))) for row in line.chosen]
        return float(line.weights @ np.array(distances))

    found = _moved(line, frechet_influence(target, [parts]).first[0], sizes)
    step, unit = 1e-3, np.eye(12)
    slope = np.array([(intercept(1 + step * e) - intercept(1 - step * e)) / (2 * step) for e in unit])
    np.testing.assert_allclose(found, slope, atol=0.02 * abs(slope).max())


def test_few_groups_are_refused() -> None:
    with pytest.raises(ShapeError, match="at least 8 groups of videos, got 5"):
        FVDInfinite().gather([Batch(0, np.arange(5), REAL[:5])], setting(5))
