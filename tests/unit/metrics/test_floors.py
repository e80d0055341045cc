from __future__ import annotations

import numpy as np
import pytest

from ivbench.errors import ShapeError
from ivbench.metrics.floors import NullFloor, null_floor
from ivbench.metrics.frechet import frechet_distance_of_features

REAL = np.random.default_rng(0).normal(size=(120, 3)).astype(np.float32)


def same(rows: np.ndarray) -> np.ndarray:
    return rows


def test_every_draw_is_disjoint_from_its_reference() -> None:
    # One clip in 50 is far away: in a draw, or in its reference, never in both, so no value is near 0.
    far = np.zeros((50, 2))
    far[0] = 1000.0
    assert null_floor(far, same, 25).values.min() > 100.0


def test_the_floor_is_deterministic_and_counts_its_clips() -> None:
    floor = null_floor(REAL, same, 20)
    assert len(floor.values) == 20
    assert (floor.count, floor.reference_count) == (20, 100)
    assert np.array_equal(floor.values, null_floor(REAL, same, 20).values)
    assert floor.mean < floor.q95 <= floor.values.max()


def test_the_floor_falls_with_the_number_of_clips() -> None:
    assert null_floor(REAL, same, 10).mean > 2 * null_floor(REAL, same, 60).mean


def test_a_draw_is_the_plain_distance_of_its_two_parts() -> None:
    seen = []

    def rows_of(features: np.ndarray) -> np.ndarray:
        seen.append(features)
        return features

    floor = null_floor(REAL, rows_of, 20, draws=1)
    drawn = seen[1]
    rest = np.array([row for row in REAL if not (drawn == row).all(axis=1).any()])
    assert len(rest) == 100
    assert floor.values[0] == pytest.approx(frechet_distance_of_features(drawn, rest), rel=1e-9)


def test_too_few_real_clips_are_refused() -> None:
    with pytest.raises(ShapeError, match="at least 121 real clips, got 120"):
        null_floor(REAL, same, 119)


def test_stored_arrays_come_back_the_same() -> None:
    floor = null_floor(REAL, same, 20, draws=3)
    back = NullFloor.from_arrays(floor.to_arrays())
    assert np.array_equal(back.values, floor.values)
    assert (back.count, back.reference_count) == (20, 100)
