"""Consistency of frames: VBench's formula by hand, its ends, what is refused; means over items."""

from __future__ import annotations

import numpy as np
import pytest

from ivbench import registry
from ivbench.config import profile
from ivbench.errors import NonFiniteError, ShapeError
from ivbench.metrics import Batch
from ivbench.metrics.consistency import frame_consistency
from ivbench.results.schema import Score
from tests.unit.metrics.cells import conditions


def angles(*degrees: float) -> np.ndarray:
    """[1, T, 2] features of these directions, of other lengths."""
    radians = np.deg2rad(degrees)
    return (np.stack([np.cos(radians), np.sin(radians)], -1) * np.arange(1, len(degrees) + 1)[:, None])[None]


def test_it_is_the_mean_of_the_cosines_to_the_frame_before_and_to_the_first() -> None:
    found = frame_consistency(angles(0, 60, 90))
    assert found == pytest.approx([((0.5 + 0.5) + (np.cos(np.pi / 6) + 0.0)) / 2 / 2])


def test_a_cosine_below_zero_counts_as_zero_by_itself() -> None:
    assert frame_consistency(angles(0, 180)) == pytest.approx([0.0], abs=1e-12)
    assert frame_consistency(angles(0, 90, 180)) == pytest.approx([0.0], abs=1e-12)
    assert frame_consistency(angles(0, 120, 180)) == pytest.approx([0.125])


def test_a_still_video_has_one_and_lengths_do_not_matter() -> None:
    assert frame_consistency(angles(30, 30, 30, 30)) == pytest.approx([1.0])


def test_images_and_features_without_a_direction_are_refused() -> None:
    metric = registry.load("metric", "subject_consistency")()
    with pytest.raises(ShapeError, match="subject_consistency needs videos of 2 frames or more"):
        metric.gather([Batch(0, np.array([0]), angles(0))], conditions())
    with pytest.raises(ShapeError, match="2 frames or more"):
        frame_consistency(angles(0))
    with pytest.raises(NonFiniteError, match="length 0"):
        frame_consistency(np.zeros((1, 2, 3)))


def scored(mean: str, parts: list[Batch]) -> Score:
    chosen = conditions(profile=profile("ivbench").model_copy(update={"mean": mean}), num_prompts=3)
    metric = registry.load("metric", "subject_consistency")()
    evidence = metric.restore(metric.gather(parts, chosen).to_arrays())
    return metric.score(evidence, chosen, list(range(len(evidence.videos))))


def test_items_count_every_pair_of_frames_in_value_runs_and_interval() -> None:
    short, long = angles(0, 90), angles(0, 0, 0, 0)  # 0 of one pair, 1 of three
    parts = [Batch(0, np.array([0]), short), Batch(0, np.array([1]), long), Batch(1, np.array([0]), long)]
    by_item, by_prompt = scored("items", parts), scored("prompts", parts)
    assert by_item.value == pytest.approx(6 / 7)
    assert by_prompt.value == pytest.approx((0.5 + 1.0) / 2)
    assert [run.value for run in by_item.runs] == pytest.approx([3 / 4, 1.0])
    assert [run.value for run in by_prompt.runs] == pytest.approx([1 / 2, 1.0])
    assert by_item.interval is not None
    assert by_prompt.interval is not None
    assert by_item.interval.low > by_prompt.interval.low
    rows = [[pytest.approx(0.0), pytest.approx(1.0), None], [pytest.approx(1.0), None, None]]
    assert by_item.by_prompt == by_prompt.by_prompt == rows
    assert by_item.fields["mean"] == "over items"
    assert by_item.protocol != by_prompt.protocol
