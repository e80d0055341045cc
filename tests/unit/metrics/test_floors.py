from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from ivbench.errors import ShapeError
from ivbench.metrics.floors import NullFloor, null_floor
from ivbench.metrics.frechet import Target, frechet_distance_of_features
from ivbench.metrics.statistics import GaussianStatistics

REAL = np.random.default_rng(0).normal(size=(200, 3)).astype(np.float32)
TARGET = Target(GaussianStatistics.of(REAL))
BANK = np.random.default_rng(1).normal(size=(8, 30, 3)).astype(np.float32)


def distance_to(target: Target) -> Callable[[np.ndarray], float]:
    return lambda rows: target.distance(GaussianStatistics.of(rows))


def same(rows: np.ndarray) -> np.ndarray:
    return rows


def floor(bank: np.ndarray = BANK, samples: int = 2, **changes: int) -> NullFloor:
    return null_floor(bank, same, samples, distance_to(TARGET), len(REAL), **changes)


def test_the_floor_is_deterministic_and_counts_its_clips() -> None:
    found = floor()
    assert len(found.values) == 20
    assert (found.count, found.reference_count) == (60, 200)
    assert np.array_equal(found.values, floor().values)
    assert found.mean < found.q95 <= found.values.max()


def test_the_floor_falls_with_the_number_of_clips_of_a_prompt() -> None:
    assert floor(samples=1).mean > 2 * floor(samples=7).mean


def test_a_draw_has_as_many_different_clips_of_every_prompt() -> None:
    seen = []

    def rows_of(features: np.ndarray) -> np.ndarray:
        seen.append(features)
        return features

    found = null_floor(BANK, rows_of, 3, distance_to(TARGET), len(REAL), draws=2)
    for drawn in seen:
        clip, prompt = np.nonzero((BANK[:, :, None] == drawn).all(axis=-1).any(axis=-1))
        assert len(set(zip(clip.tolist(), prompt.tolist(), strict=True))) == 90
        assert np.bincount(prompt).tolist() == [3] * 30
    assert not np.array_equal(seen[0], seen[1])
    plain = np.array([frechet_distance_of_features(drawn, REAL) for drawn in seen])
    np.testing.assert_allclose(found.values, plain.mean() + (plain - plain.mean()) / np.sqrt(1 - 3 / 8), rtol=1e-9)


def test_few_prompts_that_are_no_fair_sample_raise_the_floor_as_they_raise_a_cell() -> None:
    """Each prompt has a place of its own: a perfect generator of 5 prompts is far from a reference of 200."""
    places = np.random.default_rng(2).normal(size=(200, 3))
    target = Target(GaussianStatistics.of(places + 0.1 * REAL))
    few = places[:5] + 0.1 * np.random.default_rng(3).normal(size=(40, 5, 3))
    own = null_floor(few[:20], same, 4, distance_to(target), 200)
    reference = places + 0.1 * REAL
    perfect = [frechet_distance_of_features(few[k : k + 4].reshape(20, 3), reference) for k in range(20, 40, 4)]
    assert own.values.min() < np.mean(perfect) < own.values.max()
    others = np.random.default_rng(4).permutation(places)[:20] + 0.1 * REAL[:20]
    assert own.mean > 1.5 * frechet_distance_of_features(others, reference)


@pytest.mark.parametrize("samples", [1, 4])
def test_fresh_clips_stay_below_the_95_percent_quantile_about_as_often_as_it_says(samples: int) -> None:
    """Over banks: the draws of one share clips, and their spread is that of fresh ones all the same."""
    generator = np.random.default_rng(5)
    above, spread, fresh = [], [], []
    for _ in range(60):
        clips = generator.normal(size=(16 + 3 * samples, 30, 3)).astype(np.float32)
        found = floor(clips[:16], samples)
        spread.append(found.values.std(ddof=1))
        others = [clips[16 + k * samples : 16 + (k + 1) * samples].reshape(-1, 3) for k in range(3)]
        values = [frechet_distance_of_features(one, REAL) for one in others]
        fresh += values
        above += [value > found.q95 for value in values]
    assert np.mean(spread) == pytest.approx(np.std(fresh), rel=0.25)
    assert np.mean(above) < 0.14


def test_a_bank_that_is_too_small_is_refused() -> None:
    with pytest.raises(ShapeError, match="8 clips a prompt needs more than that in its bank, got 8"):
        floor(samples=8)


def test_stored_arrays_come_back_the_same() -> None:
    found = floor(draws=3)
    back = NullFloor.from_arrays(found.to_arrays())
    assert np.array_equal(back.values, found.values)
    assert (back.count, back.reference_count) == (60, 200)
