from __future__ import annotations

import numpy as np
import pytest

from ivbench.errors import NonFiniteError, ShapeError
from ivbench.metrics.frechet import frechet_distance, frechet_distance_of_features
from ivbench.metrics.statistics import GaussianStatistics, merge_all

ROWS = np.random.default_rng(0).normal(3.0, 2.0, (50, 4))


def test_covariance_is_numpys_for_both_ddof() -> None:
    statistics = GaussianStatistics.of(ROWS)
    for ddof in (0, 1):
        np.testing.assert_allclose(statistics.covariance(ddof), np.cov(ROWS, rowvar=False, ddof=ddof), rtol=1e-12)


def test_float32_features_are_accumulated_in_float64() -> None:
    rows = (ROWS + 1e4).astype(np.float32)
    statistics = GaussianStatistics.empty(4).update(rows[:20]).update(rows[20:])
    assert statistics.mean.dtype == statistics.scatter.dtype == np.float64
    np.testing.assert_allclose(statistics.mean, rows.astype(np.float64).mean(axis=0), rtol=1e-14)


def test_without_undoes_merge() -> None:
    a, b = GaussianStatistics.of(ROWS[:30]), GaussianStatistics.of(ROWS[30:])
    back = a.merge(b).without(b)
    assert back.n == 30
    np.testing.assert_allclose(back.mean, a.mean, rtol=1e-12)
    np.testing.assert_allclose(back.scatter, a.scatter, rtol=1e-11)


def test_the_empty_statistics_change_nothing() -> None:
    statistics = GaussianStatistics.of(ROWS)
    empty = GaussianStatistics.empty(4)
    assert statistics.merge(empty) is statistics
    assert empty.merge(statistics) is statistics
    assert statistics.without(empty) is statistics
    assert statistics.without(statistics).n == 0
    assert GaussianStatistics.of(ROWS[:0]).n == 0


def test_stored_arrays_come_back_the_same() -> None:
    statistics = GaussianStatistics.of(ROWS)
    back = GaussianStatistics.from_arrays(statistics.to_arrays())
    assert back.n == statistics.n
    assert np.array_equal(back.mean, statistics.mean)
    assert np.array_equal(back.scatter, statistics.scatter)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_feature_that_is_not_finite_stops(bad: float) -> None:
    rows = ROWS.copy()
    rows[7, 2] = bad
    with pytest.raises(NonFiniteError, match="1 of 50 feature rows"):
        GaussianStatistics.empty(4).update(rows)


def test_what_does_not_fit_is_refused() -> None:
    statistics = GaussianStatistics.of(ROWS)
    with pytest.raises(ShapeError, match="4 and of 3"):
        statistics.merge(GaussianStatistics.empty(3))
    with pytest.raises(ShapeError, match=r"\[N, D\]"):
        GaussianStatistics.of(ROWS[None])
    with pytest.raises(ShapeError, match="at least 1 feature row, got none"):
        GaussianStatistics.empty(4).covariance()
    with pytest.raises(ShapeError, match="50 rows out of 1"):
        GaussianStatistics.of(ROWS[:1]).without(statistics)
    with pytest.raises(ShapeError, match="nothing to merge"):
        merge_all([])


def test_few_rows_are_kept_as_rows_and_many_as_a_scatter() -> None:
    draw = np.random.default_rng(0)
    a, b, c = (draw.normal(size=(count, 20)) + 1 for count in (4, 5, 30))
    thin = GaussianStatistics.of(a).merge(GaussianStatistics.of(b))
    assert thin.root is not None
    assert thin.full is None
    whole = np.concatenate([a, b])
    np.testing.assert_allclose(thin.covariance(1), np.cov(whole, rowvar=False), rtol=1e-10, atol=1e-12)
    grown = thin.merge(GaussianStatistics.of(c))
    assert grown.root is None
    np.testing.assert_allclose(grown.covariance(1), np.cov(np.concatenate([whole, c]), rowvar=False), atol=1e-12)


def test_a_distance_is_the_same_from_rows_and_from_a_scatter() -> None:
    draw = np.random.default_rng(1)
    a, b = draw.normal(size=(6, 20)), draw.normal(size=(9, 20)) * 1.5 + 0.2
    thin = [GaussianStatistics.of(x) for x in (a, b)]
    full = [GaussianStatistics(s.n, s.mean, s.scatter) for s in thin]
    assert frechet_distance(*thin) == pytest.approx(frechet_distance_of_features(a, b), rel=1e-12)
    assert frechet_distance(*full) == pytest.approx(frechet_distance(*thin), rel=1e-7)


def test_large_well_conditioned_covariances_agree_with_the_square_root() -> None:
    draw = np.random.default_rng(2)
    a, b = (draw.normal(size=(900, 300)) * np.linspace(0.5, 2, 300) for _ in range(2))
    sides = [GaussianStatistics.of(x) for x in (a, b)]
    product = sides[0].covariance() @ sides[1].covariance()
    expected = (
        np.sum(np.square(sides[0].mean - sides[1].mean))
        + np.trace(sides[0].covariance() + sides[1].covariance())
        - 2 * np.sqrt(np.linalg.eigvals(product).real).sum()
    )
    assert frechet_distance(*sides) == pytest.approx(expected, rel=1e-10)
