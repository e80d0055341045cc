"""Precision, recall, density, coverage, authenticity: the packages' numbers, closed forms, and their intervals."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ivbench import registry
from ivbench.errors import ConfigError, ShapeError
from ivbench.metrics import Batch, GaussianStatistics, Influence, Reference
from ivbench.metrics import discrepancy as tiling
from ivbench.metrics.neighbours import balls_around, nearest, neighbours, squared_distances, within
from ivbench.metrics.protocol import differing_fields
from tests.unit.metrics.cells import conditions

GOLDEN = json.loads((Path(__file__).parents[2] / "golden" / "features.json").read_text())
DRAW = np.random.default_rng(7)
REFERENCE, GENERATED = DRAW.normal(size=(90, 6)), DRAW.normal(0.4, 0.8, (70, 6))
ALL = ["precision", "recall", "density", "coverage", "authenticity"]
SHARES = ["recall", "coverage"]


def setting(reference: np.ndarray, prompts: int) -> Any:
    kept = Reference(GaussianStatistics.empty(reference.shape[1]), "r" * 64, len(reference), reference)
    return conditions(reference=kept, num_prompts=prompts)


def scored(name: str, generated: np.ndarray, reference: np.ndarray, runs: int = 1) -> Any:
    """The record of [R x P, D] rows as images."""
    metric, prompts = registry.load("metric", name)(), len(generated) // runs
    chosen = setting(reference, prompts)
    parts = [Batch(run, np.arange(prompts), part[:, None]) for run, part in enumerate(np.split(generated, runs))]
    evidence = metric.gather(parts, chosen)
    assert metric.score(metric.restore(evidence.to_arrays()), chosen, range(runs)).value == pytest.approx(
        metric.score(evidence, chosen, range(runs)).value
    )
    return metric.score(evidence, chosen, range(runs))


@pytest.mark.parametrize("tile", [17, 1024])
def test_they_are_the_packages_numbers(tile: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiling, "_TILE", tile)
    prdc, fidelity = GOLDEN["prdc, 5 neighbours"], GOLDEN["torch-fidelity, 3 neighbours"]
    for name, expected in (("density", prdc["density"]), ("coverage", 100 * prdc["coverage"])):
        assert scored(name, GENERATED, REFERENCE).value == pytest.approx(expected, rel=1e-12)
    for name in ("precision", "recall"):
        assert scored(name, GENERATED, REFERENCE).value == pytest.approx(100 * fidelity[name], rel=1e-6)


def test_what_is_equal_reaches_everything_and_what_is_far_nothing() -> None:
    far = REFERENCE + 100.0
    for name in ("precision", "recall", "coverage"):
        assert scored(name, REFERENCE.copy(), REFERENCE).value == 100.0
        assert scored(name, far, REFERENCE).value == 0.0
    # A real row lies in its own ball and, on average, inside k - 1 others; on the surface of one it counts as outside.
    assert scored("density", REFERENCE.copy(), REFERENCE).value == 1.0
    assert scored("density", far, REFERENCE).value == 0.0


def test_balls_of_density_and_coverage_are_open_and_of_precision_and_recall_closed() -> None:
    line = np.arange(12.0)[:, None]  # the sixth nearest of 0 .. 11 lie at exactly the radius of others
    ends = np.array([[-5.0], [-5.0], [-5.0], [16.0]])  # at the radius 5 of 0 and of 11, inside no ball
    assert scored("density", ends, line).value == scored("coverage", ends, line).value == 0.0
    near = np.array([[-3.0], [-3.0], [-3.0], [14.0]])  # at the radius 3 of the ends
    assert scored("precision", near, line).value == 100.0


def test_copies_of_training_videos_are_not_authentic_and_other_samples_are_half_the_time() -> None:
    training = np.random.default_rng(1).normal(size=(400, 12))
    assert scored("authenticity", training[:40] + 1e-3, training).value == 0.0
    assert scored("authenticity", training[:40] + 50.0, training).value == 100.0
    others = np.random.default_rng(2).normal(size=(400, 12))
    assert 35 < scored("authenticity", others, training).value < 75


def test_a_mode_that_is_missing_lowers_recall_and_coverage_alone() -> None:
    draw = np.random.default_rng(3)
    modes = np.concatenate([draw.normal(size=(60, 4)), draw.normal(20.0, 1.0, (60, 4))])
    one = np.random.default_rng(4).normal(size=(80, 4))
    assert scored("precision", one, modes).value > 80
    for name in SHARES:
        assert scored(name, one, modes).value <= 50


def test_frames_of_a_video_are_one_row() -> None:
    metric = registry.load("metric", "precision")()
    frames = np.random.default_rng(0).normal(size=(5, 4, 6))
    np.testing.assert_allclose(metric.rows(frames), frames.mean(axis=1))


@pytest.mark.parametrize("runs", [1, 2])
@pytest.mark.parametrize("name", SHARES)
def test_influence_is_that_of_the_value_without_each_group(name: str, runs: int) -> None:
    metric, prompts = registry.load("metric", name)(), 25
    rows = np.random.default_rng(5).normal(0.3, 1.0, (runs * prompts, 3))
    reference = np.random.default_rng(6).normal(size=(60, 3))
    chosen = setting(reference, prompts)
    member = np.repeat(np.arange(runs), prompts) * 5 + np.tile(np.arange(prompts) % 5, runs)
    found = metric.influence(rows, member, (runs, 5), chosen)
    value_of = metric.measure(chosen)
    left = np.array([value_of(rows[member % 5 != group]) for group in range(5)])
    np.testing.assert_allclose(found.by_group, (left.mean() - left) * 4 / 5, atol=1e-12)
    assert found.error == pytest.approx(np.sqrt(4 / 5 * np.sum((left - left.mean()) ** 2)))
    parts = np.array([value_of(rows[member != part]) for part in range(5 * runs)]).reshape(runs, 5)
    expected = (parts.mean(axis=0) - parts) * (5 * runs - 1) / (5 * runs)
    spread = found.first - found.first.mean(axis=0)
    np.testing.assert_allclose(spread, expected if runs > 1 else 0.0, atol=1e-12)


def test_the_jackknife_of_a_mean_is_its_standard_error() -> None:
    values = np.random.default_rng(0).normal(size=12)
    without = (values.sum() - values) / 11
    error = Influence.left_out(without, without[None]).error
    assert error == pytest.approx(values.std(ddof=1) / np.sqrt(12))


@pytest.mark.parametrize("name", ALL)
def test_a_score_has_interval_counts_and_protocol(name: str) -> None:
    score = scored(name, GENERATED, REFERENCE, runs=2)
    assert score.interval is not None
    assert score.interval.low <= score.value <= score.interval.high
    assert (score.counts.used, score.counts.reference) == (70, 90)
    other = scored(name, GENERATED, REFERENCE[:60], runs=2)
    assert "reference_count" in differing_fields(score, other)
    assert score.higher_is_better


def test_coverage_of_one_row_is_the_share_of_balls_around_it() -> None:
    one = REFERENCE.mean(axis=0, keepdims=True)
    distances = np.linalg.norm(REFERENCE[:, None] - REFERENCE, axis=-1)
    expected = 100 * (np.linalg.norm(REFERENCE - one, axis=1) < np.sort(distances)[:, 5]).mean()
    score = scored("coverage", one, REFERENCE)
    assert 5 < expected < 95
    assert score.value == pytest.approx(expected)
    assert score.interval is None


@pytest.mark.parametrize("name", ALL)
def test_a_small_or_missing_reference_is_refused(name: str) -> None:
    with pytest.raises(ShapeError, match=r"neighbours of a video need|needs at least 4"):
        scored(name, GENERATED[:3], REFERENCE[:1])
    with pytest.raises(ConfigError, match="needs a reference set"):
        registry.load("metric", name)().gather([Batch(0, np.arange(5), GENERATED[:5, None])], conditions())


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10**6), st.integers(2, 30), st.integers(1, 30), st.integers(1, 9))
def test_tiles_change_nothing(seed: int, count: int, others: int, tile: int) -> None:
    draw = np.random.default_rng(seed)
    a, b = draw.normal(size=(count, 3)), draw.normal(size=(others, 3))
    distances, own = squared_distances(b, a), squared_distances(a, a)
    np.fill_diagonal(own, np.inf)
    radii, k = np.sort(own, axis=1)[:, 0], min(3, count - 1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tiling, "_TILE", tile)
        np.testing.assert_allclose(neighbours(a, k).distance, np.sort(own, axis=1)[:, :k], rtol=1e-9)
        assert balls_around(b, a, radii).tolist() == (distances <= radii).sum(axis=1).tolist()
        assert within(b, a, np.stack([radii, -radii])).tolist() == [
            (distances <= radii).any(axis=1).tolist(),
            (distances <= -radii).any(axis=1).tolist(),
        ]
        np.testing.assert_allclose(nearest(b, a)[1], distances.min(axis=1), rtol=1e-9)
