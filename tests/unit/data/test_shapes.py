"""The shapes domain: deterministic, wholly visible, with splits that do not meet."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from ivbench.data.shapes import caption, combinations, draw_scene, image_caption, prompts, render, to_uint8
from ivbench.data.shapes.attributes import HELD_OUT_COUNT, POOL_COUNT, STYLES, TEST_COUNT
from ivbench.data.shapes.captions import PHRASINGS, training_captions, vocabulary_captions
from ivbench.data.shapes.labels import VOCABULARY
from ivbench.errors import ConfigError


def test_the_splits_have_the_sizes_that_they_say() -> None:
    sizes = {name: len(combinations(name)) for name in ("all", "train", "held_out", "pool", "test", "validation")}
    assert sizes == {
        "all": 1440,
        "train": 1440 - HELD_OUT_COUNT,
        "held_out": HELD_OUT_COUNT,
        "pool": POOL_COUNT,
        "test": TEST_COUNT,
        "validation": POOL_COUNT - TEST_COUNT,
    }


def test_held_outs_are_a_tenth_and_no_training_shows_them() -> None:
    held_out, shown = set(combinations("held_out")), {row for row, _ in training_captions()}
    assert len(held_out) * 10 == len(combinations("all"))
    assert not held_out & set(combinations("train"))
    assert shown == set(combinations("train"))


def test_test_and_validation_share_no_prompt_and_make_up_the_pool() -> None:
    test, validation = set(prompts("test")), set(prompts("validation"))
    assert not test & validation
    assert test | validation == set(prompts("pool"))


def test_no_training_caption_is_an_evaluation_prompt() -> None:
    seen = {caption(row, phrasing) for row, phrasing in training_captions()}
    assert not seen & set(prompts("pool"))


def test_captions_are_unique_over_combinations_styles_and_phrasings() -> None:
    styled = [replace(row, style=style) for row in combinations("all") for style in STYLES]
    texts = [caption(row, phrasing) for row in styled for phrasing in range(len(PHRASINGS))]
    assert len(set(texts)) == len(texts)
    assert set(texts) < set(vocabulary_captions())


def test_an_image_caption_says_no_motion() -> None:
    row = combinations("all")[0]
    assert {image_caption(replace(row, motion=motion)) for motion in ("left", "growing")} == {image_caption(row)}


def test_an_unknown_split_or_phrasing_is_refused() -> None:
    with pytest.raises(ConfigError, match='Did you mean "test"'):
        combinations("tset")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="phrasing 6 does not exist"):
        caption(combinations("all")[0], 6)


def test_the_same_seed_draws_the_same_bytes_and_another_seed_others() -> None:
    def clips(seed: int) -> bytes:
        rng = np.random.default_rng(seed)
        return to_uint8(render([draw_scene(row, rng) for row in combinations("test")[:8]], 4, 3.0, 12, 20)).tobytes()

    assert clips(1) == clips(1)
    assert clips(1) != clips(2)


def test_every_shape_is_wholly_inside_the_frame_at_every_frame() -> None:
    rng = np.random.default_rng(0)
    progress = np.arange(32) / 32
    for row in combinations("all"):
        scene = draw_scene(row, rng)
        (x, y), radius = scene.centre(progress), scene.diameter(progress) / 2
        assert (x - radius).min() > -1e-9
        assert (x + radius).max() < 5 / 3 + 1e-9
        assert (y - radius).min() > -1e-9
        assert (y + radius).max() < 1 + 1e-9


def test_the_diameter_is_at_least_a_third_of_the_height() -> None:
    rng = np.random.default_rng(0)
    smallest = min(draw_scene(row, rng).diameter(np.arange(4) / 4).min() for row in combinations("all"))
    assert smallest >= 1 / 3


def test_a_path_is_at_least_four_pixels_at_the_lowest_resolution() -> None:
    rng = np.random.default_rng(0)
    for row in combinations("all"):
        if row.motion in ("left", "right", "up", "down"):
            x, y = draw_scene(row, rng).centre(np.array([0.0, 0.75]))
            assert 12 * np.hypot(np.diff(x), np.diff(y)).item() >= 4


def test_frames_of_a_higher_rate_hold_those_of_a_lower_one() -> None:
    rng = np.random.default_rng(0)
    scenes = [draw_scene(row, rng) for row in combinations("test")[:12]]
    slow, fast = render(scenes, 4, 3.0, 12, 20), render(scenes, 8, 6.0, 12, 20)
    np.testing.assert_array_equal(fast[:, ::2], slow)


@pytest.mark.parametrize("split", ["test", "validation"])
@pytest.mark.parametrize("count", [16, 32, 96])
def test_the_first_prompts_show_every_value_about_equally_often(split: Any, count: int) -> None:
    rows = combinations(split)[:count]
    for name in ("shape", "colour", "background", "motion", "size"):
        values = Counter(getattr(row, name) for row in rows)
        fair = count / len(VOCABULARY[name])
        assert len(values) == len(VOCABULARY[name])
        assert max(values.values()) - fair < 2 and fair - min(values.values()) < 2, values  # noqa: PT018 - a range
