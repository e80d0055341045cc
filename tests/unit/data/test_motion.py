"""Block motion: known displacements, still videos, flicker and residuals in closed form, VBench's rule."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ivbench.data.motion import Motion, block_motion, colour_shift, is_dynamic, mean_change
from ivbench.data.shapes import combinations, draw_scene, render, to_uint8


def texture(height: int, width: int, seed: int = 0) -> np.ndarray:
    """Smooth random pattern, so that half-pixel steps mean something."""
    draw = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    waves = [np.sin(a * x + b * y + c) for a, b, c in draw.uniform(-0.6, 0.6, (6, 3)) * [1, 1, 10]]
    return np.clip(127 + 30 * np.sum(waves, axis=0), 0, 255)


def panning(dy: int, dx: int, frames: int = 4, side: int = 64) -> np.ndarray:
    wide = texture(side + 40, side + 60)
    views = [wide[20 - t * dy : 20 - t * dy + side, 30 - t * dx : 30 - t * dx + side + 16] for t in range(frames)]
    return np.repeat(np.stack(views)[..., None], 3, axis=-1).astype(np.uint8)


@settings(deadline=None, max_examples=20)
@given(st.integers(-3, 3), st.integers(-3, 3))
def test_a_pan_moves_its_blocks_by_its_step(dy: int, dx: int) -> None:
    found = block_motion(panning(dy, dx))
    assert np.median(found.length) * 64 == pytest.approx(np.hypot(dy, dx), abs=0.15)
    assert np.median(found.residual) < 1e-6


def test_large_videos_are_reduced_first_and_give_the_same_part_of_the_side() -> None:
    small = panning(2, 0)
    large = np.repeat(np.repeat(small, 3, axis=1), 3, axis=2)
    np.testing.assert_allclose(block_motion(large).length, block_motion(small).length, atol=1e-9)


def test_half_steps_are_found_between_pixels() -> None:
    wide = texture(140, 200)
    views = [wide[20:84, 30 + t : 30 + t + 80] for t in range(2)]
    halved = np.stack([views[0], (views[0] + views[1]) / 2])
    video = np.repeat(halved[..., None], 3, axis=-1).astype(np.uint8)
    found = block_motion(video)
    assert 0.3 < np.median(found.length[found.length > 0]) * 64 < 0.7


def test_a_still_video_has_no_motion_no_flicker_and_no_residual() -> None:
    still = np.repeat(panning(0, 0)[:1], 5, axis=0)
    found = block_motion(still)
    assert (found.length.max(), found.residual.max(), mean_change(still)) == (0.0, 0.0, 0.0)
    assert not is_dynamic(found)


def test_flicker_is_the_mean_change_in_levels_whatever_its_sign() -> None:
    levels = np.array([100, 110, 90, 90], np.uint8)
    video = np.broadcast_to(levels[:, None, None, None], (4, 8, 8, 3))
    assert mean_change(video) == pytest.approx((10 + 20 + 0) / 3)
    assert mean_change(video[:1]) == 0.0


def test_a_jump_of_brightness_is_residual_and_no_motion() -> None:
    video = panning(0, 0)[:2].copy()
    video[1] = np.clip(video[1].astype(int) + 51, 0, 255)
    found = block_motion(np.clip(video, 0, 204))
    assert np.median(found.length) == 0.0
    jump = block_motion(np.stack([np.full((64, 64, 3), level, np.uint8) for level in (0, 51)]))
    assert jump.residual == pytest.approx(np.full_like(jump.residual, 0.04), rel=1e-6)


def test_frames_in_a_wrong_order_have_a_larger_residual() -> None:
    video = panning(1, 2, frames=8)
    assert block_motion(video[[0, 4, 1, 6, 2, 7, 3, 5]]).residual.mean() > 10 * block_motion(video).residual.mean()


def test_of_real_shapes_all_that_move_are_dynamic_and_all_that_stand_still_are_not() -> None:
    draw, rows = np.random.default_rng(0), combinations("test")
    chosen = [rows[place] for place in draw.permutation(len(rows))[:40]]
    clips = to_uint8(render([draw_scene(row, draw) for row in chosen], 8, 6.0, 24, 40))
    assert {row.motion for row in chosen} >= {"left", "growing", "still"}
    assert [is_dynamic(block_motion(clip)) for clip in clips] == [row.motion != "still" for row in chosen]


def test_the_rule_counts_pairs_whose_fastest_twentieth_is_over_6_of_256() -> None:
    def fast(pairs: int, length: float) -> Motion:
        lengths = np.zeros((16, 40))
        lengths[:pairs, :2] = length / 256
        return Motion(lengths, np.zeros((16, 40)))

    assert is_dynamic(fast(4, 6.1))
    assert not is_dynamic(fast(3, 6.1))
    assert not is_dynamic(fast(16, 5.9))


@given(st.tuples(*[st.integers(0, 40)] * 3), st.integers(1, 5))
def test_a_colour_cast_that_grows_evenly_shifts_by_its_spread(step: tuple[int, int, int], frames: int) -> None:
    """Of T frames with a cast of t * step, the distances are those of 0 ... T - 1 from their mean, times |step|."""
    video = np.stack([np.broadcast_to(t * np.array(step, np.uint8), (6, 8, 3)) for t in range(frames)])
    assert colour_shift(video) == pytest.approx(np.linalg.norm(step) * np.arange(frames).std())


def test_motion_within_the_picture_shifts_no_colour() -> None:
    frame = texture(12, 16).astype(np.uint8)[..., None].repeat(3, axis=-1)
    assert colour_shift(np.stack([np.roll(frame, t, axis=1) for t in range(4)])) == pytest.approx(0.0, abs=1e-9)
