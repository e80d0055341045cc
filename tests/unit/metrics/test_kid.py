"""KID: closed forms, lack of bias, the packages' subsets, and the derivatives that its interval is made of."""

from __future__ import annotations

import numpy as np
import pytest

from ivbench.config import Subsets, profile
from ivbench.errors import ConfigError, ShapeError
from ivbench.metrics import Batch, GaussianStatistics, Reference
from ivbench.metrics.discrepancy import Discrepancy
from ivbench.metrics.kid import KID, complete_kid, cubic_kernel, subset_kid, subset_kids
from tests.unit.metrics.cells import conditions

DRAW = np.random.default_rng(0)


def rows(count: int, dim: int = 8, shift: float = 0.0) -> np.ndarray:
    return np.random.default_rng([count, dim]).normal(size=(count, dim)) + shift


def naive(x: np.ndarray, y: np.ndarray) -> float:
    def k(a: np.ndarray, b: np.ndarray) -> float:
        return float((np.dot(a, b) / len(a) + 1) ** 3)

    own = [k(a, b) for i, a in enumerate(x) for j, b in enumerate(x) if i != j]
    other = [k(a, b) for i, a in enumerate(y) for j, b in enumerate(y) if i != j]
    return float(np.mean(own) + np.mean(other) - 2 * np.mean([k(a, b) for a in x for b in y]))


def test_the_complete_estimate_is_the_mean_over_all_pairs() -> None:
    x, y = rows(7), rows(9, shift=0.5)
    assert complete_kid(x, y) == pytest.approx(naive(x, y), rel=1e-12)


def test_it_is_without_bias_for_equal_distributions() -> None:
    values = [complete_kid(*np.random.default_rng(i).normal(size=(2, 20, 4))) for i in range(400)]
    assert abs(np.mean(values)) < 4 * np.std(values) / 20
    assert min(values) < 0 < max(values)


def test_two_points_have_a_closed_form() -> None:
    # x = (1, 0) twice, y = (0, 1) twice: k = 1.5^3 within, 1 across
    assert complete_kid(np.array([[1.0, 0.0]] * 2), np.array([[0.0, 1.0]] * 2)) == pytest.approx(2 * 1.5**3 - 2)


def test_large_inputs_go_in_blocks() -> None:
    x, y = rows(1100, 3), rows(1050, 3, 0.1)
    kernel = cubic_kernel(x, x)
    own = (kernel.sum() - np.trace(kernel)) / (1100 * 1099)
    kernel = cubic_kernel(y, y)
    other = (kernel.sum() - np.trace(kernel)) / (1050 * 1049)
    assert complete_kid(x, y) == pytest.approx(own + other - 2 * cubic_kernel(x, y).mean(), rel=1e-10)


def test_subsets_of_everything_are_the_complete_estimate() -> None:
    x, y = rows(12), rows(12, shift=0.3)
    assert subset_kid(x, y, Subsets(number=3, size=12, seed=1)) == pytest.approx(complete_kid(x, y), rel=1e-12)
    with pytest.raises(ShapeError, match="subsets have 13 rows"):
        subset_kid(x, y, Subsets(number=3, size=13, seed=1))


def test_influence_is_the_derivative_by_the_weights_of_groups() -> None:
    x, y, member = rows(30), rows(25, shift=0.4), np.arange(30) % 4
    found = Discrepancy(y, cubic_kernel, unbiased=True).influence(x, member, (1, 5))
    kernel, cross = cubic_kernel(x, x), cubic_kernel(x, y).mean(axis=1)
    np.fill_diagonal(kernel, 0)

    def estimate(weights: np.ndarray) -> float:
        w = weights[member]
        pairs = np.outer(w, w) - np.diag(w * w)
        return float(w @ kernel @ w / pairs.sum() - 2 * (w @ cross) / w.sum())

    step, unit = 1e-4, np.eye(5)
    slope = [(estimate(1 + step * e) - estimate(1 - step * e)) / (2 * step) for e in unit[:4]]
    np.testing.assert_allclose(found.first[0, :4], slope, rtol=1e-5)
    assert np.isnan(found.first[0, 4])
    bends = [
        estimate(1 + step * (unit[g] + unit[h]))
        - estimate(1 + step * (unit[g] - unit[h]))
        - estimate(1 - step * (unit[g] - unit[h]))
        + estimate(1 - step * (unit[g] + unit[h]))
        for g in range(4)
        for h in range(g)
    ]
    assert found.interaction == pytest.approx(np.sum(np.square(np.array(bends) / (4 * step * step))), rel=1e-3)


def scored(videos: int = 30, frames: int = 2, subsets: Subsets | None = None):  # type: ignore[no-untyped-def]
    features = rows(videos * frames).reshape(videos, frames, 8)
    reference = rows(40, shift=0.2)
    chosen = conditions(
        num_prompts=videos,
        reference=Reference(GaussianStatistics.empty(8), "r" * 64, 40, reference),
        profile=profile("ivbench").model_copy(update={"kid": subsets}),
    )
    metric = KID()
    batch = Batch(0, np.arange(videos), features)
    evidence = metric.gather([batch], chosen)
    return metric, chosen, evidence, metric.score(evidence, chosen, [0]), complete_kid(rows(60), reference)


def test_a_score_has_value_interval_and_protocol() -> None:
    metric, chosen, evidence, score, expected = scored()
    assert score.value == pytest.approx(expected, rel=1e-12)
    assert score.interval is not None
    assert score.interval.low < score.value < score.interval.high
    assert (score.counts.used, score.counts.reference) == (30, 40)
    assert score.fields["estimator"] == "all pairs"
    back = metric.restore(evidence.to_arrays())
    assert metric.score(back, chosen, [0]) == score
    assert "subset_std" not in score.context
    subsets = Subsets(number=5, size=20, seed=3)
    metric, chosen, evidence, other, _ = scored(subsets=subsets)
    values = subset_kids(rows(60), np.asarray(metric._reference_rows(chosen)), subsets)
    assert (other.value, other.context["subset_std"]) == (pytest.approx(values.mean()), pytest.approx(values.std()))
    assert metric.score(metric.restore(evidence.to_arrays()), chosen, [0]) == other
    assert other.protocol != score.protocol
    assert other.value != score.value


def test_a_reference_without_features_is_refused() -> None:
    chosen = conditions(reference=Reference(GaussianStatistics.empty(8), "r" * 64, 40))
    with pytest.raises(ConfigError, match="needs the reference's features"):
        KID().gather([Batch(0, np.arange(2), rows(4).reshape(2, 2, 8))], chosen)
