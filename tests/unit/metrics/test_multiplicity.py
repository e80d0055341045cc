"""Holm's correction against its definition by closed testing; p-values against the intervals that they come from."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from ivbench.metrics.influence import student_interval
from ivbench.metrics.intervals import bootstrap_interval
from ivbench.metrics.multiplicity import holm, p_value
from ivbench.results.schema import Interval

P_VALUES = st.lists(st.floats(0.0, 0.2), max_size=6)


@given(P_VALUES)
def test_holm_is_the_closed_test_of_bonferroni(p_values: list[float]) -> None:
    """A hypothesis falls where every set that holds it has a p-value of at most 0.05 over the set's size."""
    places = range(len(p_values))
    sets = [chosen for size in range(1, len(p_values) + 1) for chosen in combinations(places, size)]
    wanted = [
        all(min(p_values[place] for place in chosen) <= (1 - 0.95) / len(chosen) for chosen in sets if index in chosen)
        for index in places
    ]
    assert holm(p_values) == wanted


@given(P_VALUES, st.integers(0, 5))
def test_hypotheses_without_a_p_value_count_like_any_that_stand(p_values: list[float], others: int) -> None:
    assert holm(p_values, len(p_values) + others) == holm([*p_values, *[1.0] * others])[: len(p_values)]


def test_the_p_value_is_students_where_the_interval_is() -> None:
    for value in (0.3, -2.0, 5.0):
        found = p_value(value, student_interval(value, 1.0, 19, ""))
        assert found == pytest.approx(2 * stats.t.sf(abs(value), 19), rel=1e-12)


@given(st.integers(0, 500))
def test_it_is_below_5_percent_just_where_the_interval_excludes_0(seed: int) -> None:
    values = np.random.default_rng(seed).normal(0.4, 1.0, 24)
    interval = bootstrap_interval(values, 100)
    assert interval is not None
    assert (p_value(float(values.mean()), interval) < 0.05) == (not interval.low <= 0.0 <= interval.high)


@pytest.mark.parametrize(("value", "wanted"), [(0.0, 1.0), (1.0, 0.0), (-1.0, 0.0)])
def test_an_interval_without_width_is_certain(value: float, wanted: float) -> None:
    assert p_value(value, Interval(low=value, high=value, method="")) == wanted
