"""The influence of groups on a Frechet distance: derivatives, and the standard error that follows from them."""

from __future__ import annotations

import numpy as np
import pytest

from ivbench.metrics.frechet import Target
from ivbench.metrics.frechet_influence import frechet_influence
from ivbench.metrics.influence import noise_variance
from ivbench.metrics.statistics import Array, GaussianStatistics

GROUPS = 5
ONE, UNIT = np.ones(GROUPS), np.eye(GROUPS)


def weighted_distance(rows: Array, weights: Array, real: Array, ddof: int, ridge: float) -> float:
    """The distance of rows of these weights, by singular values of the rows themselves."""
    share = weights / weights.sum() * len(rows) / (len(rows) - ddof)
    mean = weights @ rows / weights.sum()
    wide = np.sqrt(ridge) * np.eye(rows.shape[1])
    centred = np.concatenate([np.sqrt(share)[:, None] * (rows - mean), wide])
    other = np.cov(real.T, ddof=ddof) + wide**2
    values, vectors = np.linalg.eigh(other)
    cross = np.linalg.svd(centred @ vectors * np.sqrt(values), compute_uv=False).sum()
    return float(np.sum((mean - real.mean(axis=0)) ** 2) + np.sum(centred**2) + np.trace(other) - 2.0 * cross)


def example(dim: int, count: int) -> tuple[Array, Array, Array]:
    generator = np.random.default_rng([dim, count])
    rows = generator.standard_t(6, size=(count, dim)) + 0.3
    return rows, np.arange(count) % GROUPS, generator.normal(size=(300, dim))


@pytest.mark.parametrize(("ddof", "ridge"), [(0, 0.0), (1, 0.0), (1, 0.1)])
@pytest.mark.parametrize(("dim", "count"), [(4, 50), (4, 52), (30, 20)])
def test_both_derivatives_are_those_of_the_distance_with_fewer_rows_than_dimensions_too(
    dim: int, count: int, ddof: int, ridge: float
) -> None:
    rows, group, real = example(dim, count)
    parts = [GaussianStatistics.of(rows[group == g]) for g in range(GROUPS)]
    found = frechet_influence(Target(GaussianStatistics.of(real), ddof, ridge), [parts])

    def distance(weights: Array) -> float:
        return weighted_distance(rows, weights[group], real, ddof, ridge)

    def slope(direction: Array, at: Array, step: float) -> float:
        return (distance(at + step * direction) - distance(at - step * direction)) / (2 * step)

    first = [slope(UNIT[g], ONE, 1e-4) for g in range(GROUPS)]
    np.testing.assert_allclose(found.first[0], first, atol=1e-4 * abs(found.first).max())
    assert found.first.sum() == pytest.approx(0.0, abs=1e-10)
    share, step, squares = np.bincount(group) / count, 3e-3, 0.0
    for g in range(GROUPS):
        for h in range(g):
            near = ONE + step * UNIT[h], ONE - step * UNIT[h]
            mixed = (slope(UNIT[g], near[0], step) - slope(UNIT[g], near[1], step)) / (2 * step)
            # Weights need not sum to 1 here: the scale that this gives is no influence.
            squares += (mixed + share[h] * found.first[0, g] + share[g] * found.first[0, h]) ** 2
    assert found.interaction == pytest.approx(squares, rel=1e-2)


def test_a_group_without_rows_has_no_influence() -> None:
    rows, group, real = example(4, 50)
    parts = [GaussianStatistics.of(rows[group == g]) for g in range(GROUPS)]
    target = Target(GaussianStatistics.of(real))
    more = frechet_influence(target, [[*parts, GaussianStatistics.empty(4)]])
    assert np.isnan(more.first[0, -1])
    np.testing.assert_allclose(more.error, frechet_influence(target, [parts]).error)


@pytest.mark.parametrize(("dim", "shift"), [(3, 0.5), (8, 0.0), (8, 0.5)])
def test_the_error_is_the_spread_over_repeats_at_the_floor_and_far_from_it(dim: int, shift: float) -> None:
    generator = np.random.default_rng(4)
    target = Target(GaussianStatistics.of(generator.normal(size=(2000, dim))))
    values, errors = [], []
    for _ in range(300):
        groups = [GaussianStatistics.of(generator.normal(shift, 1.0 + shift / 2, (8, dim))) for _ in range(20)]
        whole = GaussianStatistics.empty(dim)
        for group in groups:
            whole = whole.merge(group)
        values.append(target.distance(whole))
        errors.append(frechet_influence(target, [groups]).error)
    assert np.sqrt(np.mean(np.square(errors))) == pytest.approx(np.std(values, ddof=1), rel=0.2)


def test_of_a_re_run_with_the_same_prompts_the_noise_is_the_spread() -> None:
    """Groups differ far more than runs of a group: the spread over prompts is much too wide for a re-run."""
    generator, dim, groups, runs = np.random.default_rng(7), 6, 24, 2
    centres = generator.normal(0.0, 1.5, (groups, 1, dim))
    real = centres[generator.integers(0, groups, 3000), 0] + generator.normal(size=(3000, dim))
    target = Target(GaussianStatistics.of(real))
    values, variances, over_prompts = [], [], []
    for _ in range(300):
        rows = centres + generator.normal(size=(runs, groups, 5, dim))
        parts = [[GaussianStatistics.of(group) for group in run] for run in rows]
        found = frechet_influence(target, parts)
        values.append(target.distance(GaussianStatistics.of(rows.reshape(-1, dim))))
        variances.append(max(noise_variance(found.first) - found.curvature, noise_variance(found.first) / 2))
        over_prompts.append(found.error)
    spread = np.std(values, ddof=1)
    assert np.sqrt(np.mean(variances)) == pytest.approx(spread, rel=0.2)
    assert np.mean(over_prompts) > 1.5 * spread
