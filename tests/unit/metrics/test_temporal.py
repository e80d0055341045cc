"""Temporal metrics: columns of the block-motion extractor as values of videos."""

from __future__ import annotations

import numpy as np
import pytest

from ivbench import registry
from ivbench.errors import ShapeError
from ivbench.extractors.block_motion import BlockMotion
from ivbench.metrics import Batch
from tests.unit.data.test_motion import panning
from tests.unit.metrics.cells import conditions


def scored(name: str, features: np.ndarray):  # type: ignore[no-untyped-def]
    metric, chosen = registry.load("metric", name)(), conditions(num_prompts=len(features))
    return metric.score(metric.gather([Batch(0, np.arange(len(features)), features)], chosen), chosen, [0])


def test_each_is_the_mean_of_its_column() -> None:
    features = np.array([[1.0, 0.002, 1.0, 5.0], [3.0, 0.004, 0.0, 7.0]] * 15, np.float32)
    assert scored("flicker", features).value == pytest.approx(2.0)
    flickering = scored("temporal_flickering", features)
    assert (flickering.value, flickering.label) == (pytest.approx(1 - 2 / 255), "temporal flickering")
    assert (flickering.unit, flickering.higher_is_better) == ("", True)
    assert scored("warping_error", features).value == pytest.approx(3.0)
    assert scored("colour_shift", features).value == pytest.approx(6.0)
    degree = scored("dynamic_degree", features)
    assert (degree.value, degree.unit, degree.higher_is_better, degree.decisive) == (50.0, "%", True, True)
    assert degree.interval.low < 50 < degree.interval.high
    assert degree.context == {}


def test_the_extractor_measures_each_clip_by_itself() -> None:
    videos = np.stack([panning(0, 0), panning(0, 3)])
    found = BlockMotion().extract(videos)
    assert found[0].tolist() == [0.0, 0.0, 0.0, 0.0]
    assert found[1, 0] > 1
    assert found[1, 2] == 1.0
    np.testing.assert_array_equal(BlockMotion().extract(videos[1:])[0], found[1])


def test_images_and_other_features_are_refused() -> None:
    with pytest.raises(ShapeError, match="Images have no motion"):
        BlockMotion().extract(panning(0, 0)[None, :1])
    with pytest.raises(ShapeError, match="reads the measures of block-motion"):
        scored("flicker", np.zeros((3, 5)))
