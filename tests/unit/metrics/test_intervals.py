from __future__ import annotations

import math

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import special, stats

from ivbench.metrics.intervals import (
    bootstrap_interval,
    group_of_prompts,
    percentage_interval,
    prompt_means,
    standard_error,
)
from ivbench.metrics.sign_flips import sign_flip_bounds
from ivbench.metrics.statistics import Array


def test_the_standard_error_over_runs_is_the_papers() -> None:
    assert standard_error([1.0, 2.0, 3.0, 4.0]) == pytest.approx(np.sqrt(5.0 / 3.0) / 2.0)
    assert standard_error([1.0]) is None


def test_a_prompts_mean_covers_all_its_videos() -> None:
    prompts, means, counts = prompt_means(np.array([4, 1, 4, 4]), np.array([1.0, 5.0, 2.0, 6.0]))
    assert prompts.tolist() == [1, 4]
    assert means.tolist() == [5.0, 3.0]
    assert counts.tolist() == [1, 3]
    _, means, weights = prompt_means(np.array([4, 1, 4]), np.array([1.0, 5.0, 2.0]), np.array([3.0, 2.0, 1.0]))
    assert means.tolist() == [5.0, 1.25]
    assert weights.tolist() == [2.0, 4.0]


def test_equal_weights_change_no_interval() -> None:
    means, weights = 50 + 10 * np.random.default_rng(2).normal(size=40), np.full(40, 3.0)
    for interval in (bootstrap_interval, percentage_interval):
        plain, weighted = interval(means), interval(means, weights=weights)
        assert plain is not None and weighted is not None  # noqa: PT018 - two of a kind
        assert (weighted.low, weighted.high) == pytest.approx((plain.low, plain.high))


@pytest.mark.parametrize("percent", [False, True])
def test_a_weighted_interval_covers_the_weighted_mean_95_times_in_100(percent: bool) -> None:
    """Weights that go with the values: the plain mean, 50 % here, is far from the weighted one."""
    generator = np.random.default_rng(3)
    hits = generator.random((600, 60)) < 0.5
    weights = np.where(hits, 3.0, 1.0) * generator.uniform(0.5, 1.5, hits.shape)
    covered = 0
    for one, weight in zip(100.0 * hits, weights, strict=True):
        interval = percentage_interval(one, weight) if percent else bootstrap_interval(one, 400, weight)
        assert interval is not None
        covered += interval.low <= 75.0 <= interval.high
    assert 0.92 <= covered / 600 <= 0.98


def test_the_bootstrap_covers_a_known_mean_95_times_in_100() -> None:
    generator = np.random.default_rng(0)
    trials = [bootstrap_interval(generator.normal(1.0, 2.0, 40), draws=400) for _ in range(400)]
    covered = np.mean([one is not None and one.low <= 1.0 <= one.high for one in trials])
    assert 0.91 <= covered <= 0.98


def test_the_bootstrap_is_deterministic_and_as_wide_as_the_classic_interval() -> None:
    means = np.random.default_rng(1).normal(size=200)
    interval = bootstrap_interval(means)
    assert interval == bootstrap_interval(means)
    assert interval is not None
    classic = 2 * 1.96 * means.std(ddof=1) / np.sqrt(200)
    assert interval.high - interval.low == pytest.approx(classic, rel=0.06)


@pytest.mark.parametrize(("prompts", "p"), [(32, 0.5), (32, 0.97), (32, 0.99), (256, 0.8), (256, 0.99), (256, 0.995)])
def test_the_interval_of_a_percentage_covers_it_near_its_ends_too(prompts: int, p: float) -> None:
    """Where a bootstrap covers 28 % (32 prompts, 99 %) to 71 % (256 prompts, 99.5 %) of the time."""
    generator = np.random.default_rng(0)
    trials = [percentage_interval(100.0 * (generator.random(prompts) < p)) for _ in range(2000)]
    covered = np.mean([one is not None and one.low <= 100 * p <= one.high for one in trials])
    assert 0.92 <= covered <= 0.995  # of counts: it steps


def test_of_one_zero_or_hundred_a_prompt_it_is_wilsons() -> None:
    values = np.repeat([0.0, 100.0], [6, 25])
    interval, p, n, z = percentage_interval(values), 25 / 31, 30, special.ndtri(0.975)
    assert interval is not None
    for end in (interval.low / 100, interval.high / 100):
        assert abs(p - end) == pytest.approx(z * np.sqrt(end * (1 - end) / n), rel=1e-9)


def test_values_that_vary_less_have_a_narrower_interval_and_equal_ones_still_have_one() -> None:
    generator = np.random.default_rng(1)
    hits = 100.0 * (generator.random((40, 8)) < 0.7)
    one, eight = percentage_interval(hits[:, 0]), percentage_interval(hits.mean(axis=1))
    sure = percentage_interval(np.full(40, 100.0))
    assert one is not None and eight is not None and sure is not None  # noqa: PT018 - three of a kind
    assert eight.high - eight.low < 0.6 * (one.high - one.low)
    assert (sure.high, 88 < sure.low < 93) == (100.0, True)


def test_one_prompt_has_no_interval() -> None:
    assert percentage_interval(np.array([100.0])) is None
    assert bootstrap_interval(np.array([1.0])) is None


@pytest.mark.parametrize(
    ("prompts", "groups"),
    [(1, 1), (7, 7), (32, 32), (40, 40), (41, 20), (64, 32), (100, 20), (256, 32), (320, 20), (2048, 32)],
)
def test_prompts_are_dealt_evenly_into_at_least_20_groups_where_there_are_so_many(prompts: int, groups: int) -> None:
    sizes = np.bincount(group_of_prompts(prompts))
    assert len(sizes) == groups
    assert sizes.max() - sizes.min() <= 1
    assert np.array_equal(group_of_prompts(prompts), group_of_prompts(prompts))


def test_sign_flip_bounds_of_three_values_are_their_subsets_means() -> None:
    """All 7 means of subsets of 0, 3, 9 are about equally often drawn: 0, 3, 9, 1.5, 4.5, 6, 4."""
    for alpha, low, high in ((0.1, 0.0, 9.0), (0.2, 1.5, 6.0), (0.4, 3.0, 4.5)):
        assert sign_flip_bounds(np.array([0.0, 3.0, 9.0]), alpha) == (low, high)


def test_sign_flip_bounds_miss_as_often_as_they_say_however_heavy_the_tails() -> None:
    """Student's t on the same Cauchy differences misses half as often: it is too wide."""
    generator = np.random.default_rng(21)
    trials, misses, of_student = 1500, 0, 0
    for _ in range(trials):
        differences = generator.standard_cauchy(24) * np.exp(generator.normal(size=24))
        _, high = sign_flip_bounds(differences, 0.05)
        misses += high < 0.0
        error = differences.std(ddof=1) / math.sqrt(24)
        of_student += differences.mean() + stats.t.ppf(0.95, 23) * error < 0.0
    low, high = stats.binomtest(misses, trials).proportion_ci(0.999)
    assert low <= 0.05 <= high, misses / trials
    assert stats.binomtest(of_student, trials).proportion_ci(0.99).high < 0.05, of_student / trials


@hypothesis.given(
    arrays(np.float64, st.integers(6, 40), elements=st.floats(-100, 100, width=32)),
    st.floats(-50, 50, width=32),
    st.sampled_from([0.2, 0.05, 0.004, 0.0001]),
)
@hypothesis.settings(deadline=None, max_examples=40)
def test_sign_flip_bounds_follow_a_shift_and_turn_with_the_sign(values: Array, shift: float, alpha: float) -> None:
    low, high = sign_flip_bounds(values, alpha)
    assert values.min() <= low <= high <= values.max()
    np.testing.assert_allclose(sign_flip_bounds(-values, alpha), (-high, -low))
    np.testing.assert_allclose(sign_flip_bounds(values + shift, alpha), (low + shift, high + shift), atol=1e-9)


def test_sign_flip_bounds_of_many_normal_differences_are_students() -> None:
    values = np.random.default_rng(4).normal(0.3, 1.0, 400)
    reach = stats.t.ppf(0.975, 399) * values.std(ddof=1) / 20
    expected = values.mean() - reach, values.mean() + reach
    np.testing.assert_allclose(sign_flip_bounds(values, 0.025), expected, atol=0.06 * reach)
