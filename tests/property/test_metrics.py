from __future__ import annotations

from math import comb

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ivbench.metrics.frechet import frechet_distance
from ivbench.metrics.r_precision import expected_precision
from ivbench.metrics.statistics import GaussianStatistics, merge_all

SEEDS = st.integers(0, 2**32 - 1)


def rows(seed: int, n: int, dim: int = 3) -> np.ndarray:
    generator = np.random.default_rng(seed)
    return generator.normal(generator.normal(0, 10), generator.uniform(0.1, 10), (n, dim))


@settings(max_examples=40, deadline=None)
@given(SEEDS, st.lists(st.integers(0, 40), max_size=5))
def test_merged_parts_are_the_whole(seed: int, cuts: list[int]) -> None:
    features = rows(seed, 40)
    whole = GaussianStatistics.of(features)
    parts = merge_all(GaussianStatistics.of(part) for part in np.split(features, sorted(cuts)))
    assert parts.n == 40
    np.testing.assert_allclose(parts.mean, whole.mean, rtol=1e-11, atol=1e-11)
    np.testing.assert_allclose(parts.scatter, whole.scatter, rtol=1e-9, atol=1e-9)


@settings(max_examples=60, deadline=None)
@given(SEEDS, st.lists(st.integers(0, 60), min_size=2, max_size=2), st.sampled_from([2, 3, 24]))
def test_merging_is_associative_and_commutative_within_1e_12(seed: int, cuts: list[int], dim: int) -> None:
    """Shards and machines may be merged in any order; few rows (kept as rows) and many (as a scatter) alike."""
    a, b, c = (GaussianStatistics.of(part) for part in np.split(rows(seed, 60, dim), sorted(cuts)))
    one = a.merge(b).merge(c)
    for other in (a.merge(b.merge(c)), c.merge(a).merge(b)):
        assert other.n == one.n == 60
        np.testing.assert_allclose(other.mean, one.mean, rtol=0, atol=1e-12 * np.abs(one.mean).max())
        np.testing.assert_allclose(other.scatter, one.scatter, rtol=0, atol=1e-12 * np.trace(one.scatter))


@settings(max_examples=40, deadline=None)
@given(SEEDS)
def test_the_order_of_rows_does_not_matter(seed: int) -> None:
    features = rows(seed, 20)
    reference = GaussianStatistics.of(rows(seed + 1, 30))
    shuffled = np.random.default_rng(seed).permutation(features)
    values = [frechet_distance(GaussianStatistics.of(x), reference) for x in (features, shuffled)]
    np.testing.assert_allclose(values[0], values[1], rtol=1e-9, atol=1e-9)


@settings(max_examples=40, deadline=None)
@given(SEEDS, st.integers(2, 12), st.integers(2, 12))
def test_the_distance_is_symmetric_not_negative_and_zero_to_itself(seed: int, n_a: int, n_b: int) -> None:
    a, b = GaussianStatistics.of(rows(seed, n_a, 6)), GaussianStatistics.of(rows(seed + 1, n_b, 6))
    forth, back = frechet_distance(a, b), frechet_distance(b, a)
    scale = np.trace(a.covariance()) + np.trace(b.covariance())
    assert forth >= 0
    assert abs(forth - back) <= 1e-10 * scale + 1e-10 * forth
    assert frechet_distance(a, a) <= 1e-10 * scale


@settings(max_examples=40, deadline=None)
@given(SEEDS)
def test_rotating_both_sides_changes_nothing(seed: int) -> None:
    a, b = rows(seed, 20, 4), rows(seed + 1, 25, 4)
    turn, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(4, 4)))
    plain = frechet_distance(GaussianStatistics.of(a), GaussianStatistics.of(b))
    turned = frechet_distance(GaussianStatistics.of(a @ turn), GaussianStatistics.of(b @ turn))
    np.testing.assert_allclose(turned, plain, rtol=1e-8, atol=1e-8)


@given(st.data())
def test_expected_precision_is_the_hypergeometric_probability(data: st.DataObject) -> None:
    m = data.draw(st.integers(1, 600))
    k, g = data.draw(st.integers(1, m)), data.draw(st.integers(0, m))
    value = expected_precision(np.array(g), np.array(m), np.array(k))
    assert np.isclose(float(value), comb(m - g, k) / comb(m, k), rtol=1e-10, atol=1e-300)
