"""Standard errors from derivatives by the weights of parts: over prompts, and by noise with the prompts held fixed."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special

from ivbench.metrics.influence import Influence, noise_variance
from ivbench.metrics.statistics import Array


def one_run(first: Array) -> Influence:
    return Influence(first[None], 0.0, 0.0)


def square_of_mean(z: Array) -> tuple[float, Influence]:
    """f = |mean of z|^2 of parts z [R, G, D], with its exact derivatives by their weights."""
    runs, groups, _ = z.shape
    mean = z.mean(axis=(0, 1))
    change = (z - mean) / (runs * groups)
    second = 2.0 * np.einsum("rgd,shd->rgsh", change, change)
    return float(mean @ mean), Influence.of_parts(2.0 * change @ mean, second)


def test_the_influences_of_a_mean_give_the_classic_interval() -> None:
    values = np.random.default_rng(2).normal(size=30)
    interval = one_run((values - values.mean()) / 30).interval(float(values.mean()))
    classic = special.stdtrit(29, 0.975) * values.std(ddof=1) / np.sqrt(30)
    assert interval is not None
    assert interval.high - values.mean() == pytest.approx(classic, rel=1e-10)
    assert values.mean() - interval.low == pytest.approx(classic, rel=1e-10)
    assert one_run(np.zeros(1)).interval(1.0) is None


@pytest.mark.parametrize("runs", [1, 3])
def test_over_prompts_the_error_of_a_square_counts_its_quadratic_part_once(runs: int) -> None:
    """The square of a mean of D values around 0 is all quadratic: variance 2 D / N^2; plain jackknife: twice that."""
    generator, groups, dim = np.random.default_rng(5), 30, 300
    variances = [square_of_mean(generator.normal(size=(runs, groups, dim)))[1].error ** 2 for _ in range(300)]
    assert np.mean(variances) == pytest.approx(2 * dim / (runs * groups) ** 2, rel=0.1)


@pytest.mark.parametrize("shift", [0.0, 0.3])
@pytest.mark.parametrize("runs", [2, 4])
def test_noise_is_what_new_runs_of_the_same_prompts_change(shift: float, runs: int) -> None:
    """Prompts of great spread, which a re-run keeps: they must not get into the variance of its noise."""
    generator, groups, dim = np.random.default_rng(6), 20, 40
    prompts = shift + 3.0 * generator.normal(size=(groups, dim))
    prompts -= prompts.mean(axis=0) - shift
    found = [square_of_mean(prompts + generator.normal(size=(runs, groups, dim))) for _ in range(400)]
    values = [value for value, _ in found]
    variances = [noise_variance(one.first) - one.curvature for _, one in found]
    assert np.mean(variances) == pytest.approx(np.var(values, ddof=1), rel=0.2)
    assert np.mean([one.error**2 for _, one in found]) > 2 * np.mean(variances)


def test_a_group_without_videos_of_a_run_is_left_out_of_its_noise() -> None:
    first = np.array([[1.0, 0.5, np.nan], [-1.0, 0.0, 0.5]])
    assert noise_variance(first) == pytest.approx(2 * (2 * 1.0 + 2 * 0.0625))
    found = Influence(first, 0.0, 0.0)
    np.testing.assert_allclose(found.by_group, [0.0, 0.5, 0.5])
    assert found.units == 3
    assert Influence(np.array([[np.nan], [np.nan]]), 0.0, 0.0).units == 0
