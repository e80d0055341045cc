from __future__ import annotations

import numpy as np
import pytest

from ivbench.errors import NonFiniteError, ShapeError
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
    with pytest.raises(ShapeError, match="more than 1 feature rows, got 1"):
        GaussianStatistics.of(ROWS[:1]).covariance()
    with pytest.raises(ShapeError, match="50 rows out of 1"):
        GaussianStatistics.of(ROWS[:1]).without(statistics)
    with pytest.raises(ShapeError, match="nothing to merge"):
        merge_all([])
