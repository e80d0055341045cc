"""The geometric judge: exact on real clips, silent on clips that show nothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from ivbench.data.shapes import combinations, draw_scene, render, render_image, to_uint8
from ivbench.data.shapes.attributes import BACKGROUNDS, STYLES, Attributes
from ivbench.data.shapes.judge import ATTRIBUTES, NONE, Verdict, accuracy, judge
from ivbench.data.shapes.templates import moments, rasterise
from ivbench.errors import ShapeError

SIZES = [(4, 3.0, 12, 20, 320), (8, 6.0, 12, 20, 160), (8, 6.0, 24, 40, 96), (16, 12.0, 48, 80, 24)]


def real(
    count: int, num_frames: int, fps: float, height: int, width: int, seed: int
) -> tuple[list[Attributes], NDArray[np.uint8]]:
    rng = np.random.default_rng(seed)
    every = combinations("all")
    rows = [every[i] for i in rng.permutation(len(every))[:count]]
    return rows, to_uint8(render([draw_scene(row, rng) for row in rows], num_frames, fps, height, width))


@pytest.mark.parametrize(("num_frames", "fps", "height", "width", "count"), SIZES)
def test_every_attribute_of_a_real_clip_is_judged_right(
    num_frames: int, fps: float, height: int, width: int, count: int
) -> None:
    rows, videos = real(count, num_frames, fps, height, width, seed=height)
    assert accuracy(judge(videos), rows) == dict.fromkeys((*ATTRIBUTES, "all"), 1.0)


def test_blank_clips_of_every_background_show_nothing() -> None:
    colours = np.array(list(BACKGROUNDS.values()), np.uint8)
    videos = np.broadcast_to(colours[:, None, None, None], (len(colours), 4, 12, 20, 3))
    assert judge(videos) == [Verdict()] * len(colours)


@pytest.mark.parametrize("kind", ["uniform", "normal", "smooth"])
def test_noise_shows_nothing(kind: str) -> None:
    rng = np.random.default_rng(3)
    shape = (64, 4, 12, 20, 3)
    if kind == "uniform":
        videos = rng.integers(0, 256, shape, dtype=np.uint8)
    elif kind == "normal":
        videos = np.clip(128 + 60 * rng.standard_normal(shape), 0, 255).astype(np.uint8)
    else:
        blotches = gaussian_filter(rng.standard_normal(shape), (0, 0, 2, 2, 0))
        videos = np.clip(128 + 60 * blotches / blotches.std(), 0, 255).astype(np.uint8)
    verdicts = judge(videos)
    assert np.mean([verdict.shape == NONE for verdict in verdicts]) > 0.95


@pytest.mark.parametrize("order", [[1, 0, 3, 2, 5, 4, 7, 6], [2, 0, 1, 4, 3, 6, 7, 5]])
@pytest.mark.parametrize(("height", "width"), [(12, 20), (24, 40)])
def test_a_shape_that_jerks_back_and_forth_has_no_motion(order: list[int], height: int, width: int) -> None:
    rows, videos = real(160, 8, 6.0, height, width, seed=11)
    moving = [i for i, row in enumerate(rows) if row.motion != "still"]
    assert {verdict.motion for verdict in judge(videos[moving][:, order])} == {NONE}


def test_frames_out_of_order_at_the_lowest_rate_have_no_motion() -> None:
    rows, videos = real(160, 4, 3.0, 12, 20, seed=12)
    moving = [i for i, row in enumerate(rows) if row.motion != "still"]
    assert {verdict.motion for verdict in judge(videos[moving][:, [0, 2, 1, 3]])} == {NONE}


def test_a_shape_that_jumps_about_does_not_stand_still() -> None:
    rows = [row for row in combinations("all") if row.motion == "still"][::6]
    rng = np.random.default_rng(13)
    scenes = [replace(draw_scene(row, rng), x=0.8) for row in rows]
    videos = to_uint8(render(scenes, 8, 6.0, 24, 40))
    aside = [replace(scene, x=scene.x + 0.15) for scene in scenes]
    videos[:, 1::2] = to_uint8(render(aside, 8, 6.0, 24, 40))[:, 1::2]
    assert sum(verdict.motion == "still" for verdict in judge(videos)) == 0


@pytest.mark.parametrize("other", ["square", "ring", "triangle", "cross"])
def test_a_shape_in_every_second_frame_only_is_none(other: str) -> None:
    rows = [row for row in combinations("all") if row.shape == "circle" and row.motion == "still"]
    rng = np.random.default_rng(14)
    scenes = [draw_scene(row, rng) for row in rows]
    videos = to_uint8(render(scenes, 8, 6.0, 24, 40))
    changed = [replace(scene, attributes=replace(scene.attributes, shape=other)) for scene in scenes]
    videos[:, 1::2] = to_uint8(render(changed, 8, 6.0, 24, 40))[:, 1::2]
    assert {verdict.shape for verdict in judge(videos)} == {NONE}


def test_a_clip_with_an_empty_frame_shows_nothing() -> None:
    _, videos = real(40, 8, 6.0, 24, 40, seed=15)
    videos[:, 3] = videos[:, 3, :1, :1]
    assert {verdict.colour for verdict in judge(videos)} == {NONE}


def test_of_real_styled_clips_most_are_judged_right() -> None:
    rng = np.random.default_rng(16)
    every = combinations("all")
    rows = [replace(every[i], style=STYLES[1 + k % 2]) for k, i in enumerate(rng.permutation(len(every))[:160])]
    found = accuracy(judge(to_uint8(render([draw_scene(row, rng) for row in rows], 8, 6.0, 24, 40))), rows)
    assert found["style"] >= 0.75
    assert found["shape"] >= 0.75


def test_captions_of_other_clips_are_at_chance() -> None:
    rows, videos = real(240, 4, 3.0, 12, 20, seed=9)
    other = [rows[i] for i in np.random.default_rng(1).permutation(len(rows))]
    found = accuracy(judge(videos), other)
    for name, values in (("shape", 5), ("colour", 6), ("background", 4), ("motion", 6), ("size", 2)):
        assert abs(found[name] - 1 / values) < 4.5 * np.sqrt(1 / values * (1 - 1 / values) / len(rows)), name


def test_a_single_frame_has_no_motion_and_its_style_is_seen() -> None:
    rng = np.random.default_rng(4)
    still = [row for row in combinations("all") if row.motion == "still"]
    rows = [replace(row, style=STYLES[i % 3]) for i, row in enumerate(still)]
    frames = to_uint8(render_image([draw_scene(row, rng) for row in rows], np.zeros(len(rows)), 24, 40))[:, None]
    verdicts = judge(frames)
    assert {verdict.motion for verdict in verdicts} == {NONE}
    found = accuracy(verdicts, rows)
    assert found["style"] >= 0.85
    assert found["colour"] >= 0.9


def test_light_sampling_noise_changes_no_verdict() -> None:
    rows, videos = real(120, 4, 3.0, 12, 20, seed=5)
    noise = 6 * np.random.default_rng(6).standard_normal(videos.shape)
    noisy = np.clip(np.rint(videos + noise), 0, 255).astype(np.uint8)
    assert accuracy(judge(noisy), rows)["all"] == 1.0


def test_a_verdict_does_not_depend_on_the_rest_of_the_batch() -> None:
    _, videos = real(70, 4, 3.0, 12, 20, seed=7)
    together = judge(videos)
    assert [judge(videos[i : i + 1])[0] for i in (0, 33, 69)] == [together[i] for i in (0, 33, 69)]


def test_what_is_no_video_is_refused() -> None:
    with pytest.raises(ShapeError, match=r"\[B, T, H, W, 3\] uint8"):
        judge(np.zeros((1, 4, 12, 20, 3), np.float32))  # type: ignore[arg-type]
    with pytest.raises(ShapeError, match="0 verdicts"):
        accuracy([], [])


@pytest.mark.parametrize("shape", ["circle", "square", "triangle", "cross", "ring"])
def test_a_template_covers_the_area_and_centroid_that_its_moments_say(shape: str) -> None:
    share, offset = moments(shape)
    radius = np.array([[0.3]])
    drawn = rasterise(shape, np.array([[0.8]]), np.array([[0.5]]), radius, 48, 80)[0, 0]
    rows = (np.arange(48) + 0.5) / 48
    assert drawn.sum() / 48**2 == pytest.approx(share * 0.3**2, rel=0.02)
    assert (drawn.sum(1) * rows).sum() / drawn.sum() == pytest.approx(0.5 + offset * 0.3, abs=0.003)
