"""Distortions: level 0 is nothing, a higher level is more, and temporal ones keep the pictures."""

from __future__ import annotations

import numpy as np
import pytest

from ivbench.data.distortions import SPATIAL, TEMPORAL, distort
from ivbench.errors import ConfigError

T, Y, X = np.meshgrid(np.arange(12), np.arange(32), np.arange(48), indexing="ij")
CLIP = np.stack([(9 * T + 3 * Y) % 256, (7 * X + 40) % 256, 128 + 90 * np.sin(X / 5 + T)], -1).astype(np.uint8)


@pytest.mark.parametrize("name", [*SPATIAL, *TEMPORAL])
def test_level_zero_is_nothing_and_all_is_seeded(name: str) -> None:
    np.testing.assert_array_equal(distort(CLIP, name, 0.0, 1), CLIP)
    np.testing.assert_array_equal(distort(CLIP, name, 0.7, 1), distort(CLIP, name, 0.7, 1))
    out = distort(CLIP, name, 1.0, 1)
    assert (out.shape, out.dtype) == (CLIP.shape, np.uint8)


@pytest.mark.parametrize("name", [*SPATIAL, *TEMPORAL])
def test_a_higher_level_changes_more_on_the_average(name: str) -> None:
    change = [
        np.mean([abs(distort(CLIP, name, level, seed).astype(int) - CLIP).mean() for seed in range(12)])
        for level in (0.25, 1.0)
    ]
    assert 0 < change[0] < change[1]


@pytest.mark.parametrize("name", ["shuffle", "freeze", "drop", "reverse"])
def test_order_distortions_only_show_frames_that_were_there(name: str) -> None:
    there = {frame.tobytes() for frame in CLIP}
    assert {frame.tobytes() for frame in distort(CLIP, name, 1.0, 3)} <= there


def test_full_levels_are_what_they_say() -> None:
    np.testing.assert_array_equal(distort(CLIP, "reverse", 1.0, 0), CLIP[::-1])
    assert (distort(CLIP, "freeze", 1.0, 0) == CLIP[:1]).all()
    assert len({frame.tobytes() for frame in distort(CLIP, "drop", 1.0, 0)}) == 6
    assert sorted(f.tobytes() for f in distort(CLIP, "shuffle", 1.0, 0)) == sorted(f.tobytes() for f in CLIP)


def test_an_unknown_name_or_level_is_refused() -> None:
    for name, level in (("blurr", 0.5), ("blur", 1.5)):
        with pytest.raises(ConfigError, match="no distortion"):
            distort(CLIP, name, level, 0)
