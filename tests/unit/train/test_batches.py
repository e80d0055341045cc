"""Training batches: what decides them, and what never occurs in them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from ivbench.data.shapes.attributes import combinations
from ivbench.data.shapes.captions import PHRASINGS, caption, image_caption, prompts
from ivbench.errors import ConfigError
from ivbench.train.batches import Batch, ShapesBatches

MANY = 60


def batches(tiny: Any, kind: str = "base", **changes: Any) -> ShapesBatches:
    return ShapesBatches(tiny.recipe(**changes), tiny.stage(kind), None if kind == "base" else tiny.stage("base"))


def many(tiny: Any, **changes: Any) -> Iterator[Batch]:
    made = batches(tiny, batch=64, **changes)
    return (made(index) for index in range(MANY))


@pytest.mark.parametrize("kind", ["base", "ssr"])
def test_a_batch_depends_on_seed_and_index_alone(tiny: Any, kind: str) -> None:
    forward = batches(tiny, kind, crop=(8, 12) if kind == "ssr" else None)
    other = batches(tiny, kind, crop=(8, 12) if kind == "ssr" else None)
    for index in (0, 1, 2):
        forward(index)
    first, again = forward(1), other(1)
    assert first.video.tobytes() == again.video.tobytes()
    assert first.captions == again.captions
    assert first.generator.random(3).tolist() == again.generator.random(3).tolist()
    assert (first.low is None) == (again.low is None) == (kind == "base")
    if first.low is not None and again.low is not None:
        assert first.low.tobytes() == again.low.tobytes()


def test_batches_differ_by_index_and_by_seed(tiny: Any) -> None:
    made = [batches(tiny)(0), batches(tiny)(1), batches(tiny, seed=6)(0)]
    assert len({batch.video.tobytes() for batch in made}) == 3


def test_videos_are_in_range_and_of_the_stages_shape(tiny: Any) -> None:
    batch = batches(tiny, "ssr")(0)
    assert batch.video.shape == (4, 4, 12, 20, 3)
    assert batch.low is not None
    assert batch.low.shape == (4, 4, 6, 10, 3)
    assert batch.video.dtype == batch.low.dtype == np.float32
    assert abs(batch.video).max() <= 1


def test_held_out_combinations_and_canonical_captions_never_occur(tiny: Any) -> None:
    forbidden = {caption(row, k) for row in combinations("held_out") for k in range(len(PHRASINGS))}
    forbidden |= set(prompts("pool"))
    seen = Counter(text for batch in many(tiny) for row in batch.captions for text in row)
    assert len(seen) > 2000
    assert not forbidden & set(seen)


def test_every_caption_is_in_the_vocabulary_and_none_of_it_is_held_out(tiny: Any) -> None:
    for share in (0.0, 0.25):
        vocabulary = set(batches(tiny, images=share).vocabulary())
        seen = {text for batch in many(tiny, images=share) for row in batch.captions for text in row}
        assert seen - {""} <= vocabulary
        assert not vocabulary & set(prompts("pool"))


def test_other_styles_occur_in_images_only(tiny: Any) -> None:
    styled: Counter[tuple[bool, bool]] = Counter()
    for batch in many(tiny, text_dropout=0.0):
        for row, image in zip(batch.captions, batch.images, strict=True):
            for text in row:
                styled[bool(image), "outlined" in text or "striped" in text] += 1
    assert styled[False, False] > 10_000
    assert styled[False, True] == 0
    assert 0.45 < styled[True, True] / (styled[True, True] + styled[True, False]) < 0.55


def test_the_images_of_a_pack_are_independent(tiny: Any) -> None:
    wordings = {image_caption(row, k) for row in combinations("all") for k in range(len(PHRASINGS))}
    batch = batches(tiny, batch=64, text_dropout=0.0)(0)
    assert batch.images.sum() == 16
    for row, image in zip(batch.captions, batch.images, strict=True):
        assert (len(set(row)) == 1) == (not image)
        assert image or row[0] not in wordings


def test_text_is_dropped_in_the_recipes_share_of_rows(tiny: Any) -> None:
    rows = [row for batch in many(tiny) for row in batch.captions]
    dropped = [set(row) == {""} for row in rows]
    assert all("" not in row for row, none in zip(rows, dropped, strict=True) if not none)
    assert abs(np.mean(dropped) - 0.1) < 4 * (0.09 / len(rows)) ** 0.5


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_the_share_of_images_is_the_recipes(tiny: Any, share: float) -> None:
    batch = batches(tiny, batch=8, images=share)(0)
    assert batch.images.sum() == 8 * share
    assert batch.video.shape == (8, 4, 6, 10, 3)


def test_low_and_high_resolution_are_cropped_at_the_same_place(tiny: Any) -> None:
    made = batches(tiny, "ssr", batch=64, crop=(8, 12))
    for index in range(4):
        batch = made(index)
        assert batch.low is not None
        assert batch.video.shape == (64, 4, 8, 12, 3)
        assert batch.low.shape == (64, 4, 4, 6, 3)
        pooled = batch.video.reshape(64, 4, 4, 2, 6, 2, 3).mean(axis=(3, 5))
        assert abs(pooled - batch.low).mean() < 0.05
        assert abs(pooled - np.roll(batch.low, 1, axis=3)).mean() > 0.1


def test_crops_are_drawn_from_the_whole_frame(tiny: Any) -> None:
    whole, cropped = batches(tiny, "ssr", batch=2), batches(tiny, "ssr", batch=2, crop=(4, 4))
    places = set()
    for index in range(150):
        video, part = whole(index).video, cropped(index).video
        found = [
            (top, left)
            for top in range(0, 9, 2)
            for left in range(0, 17, 2)
            if (video[:, :, top : top + 4, left : left + 4] == part).all()
        ]
        assert found
        places |= set(found[:1]) if len(found) == 1 else set()
    assert {top for top, _ in places} == set(range(0, 9, 2))
    assert {left for _, left in places} == set(range(0, 17, 2))


@pytest.mark.parametrize(
    ("kind", "changes", "message"),
    [
        ("tsr", {"images": 0.25}, "an image has no frames for a TSR stage to fill in. Set it to 0"),
        ("base", {"crop": (4, 4)}, 'crop is set, but stage "base" starts from noise alone'),
        ("ssr", {"crop": (5, 8)}, r"crop is \[5, 8\] \[H, W\]: multiples of 2, at most \[12, 20\]"),
        ("ssr", {"crop": (14, 20)}, r"crop is \[14, 20\]"),
        ("ssr", {"crop": (0, 8)}, r"crop is \[0, 8\]"),
    ],
)
def test_what_a_stage_cannot_be_trained_on_is_refused(
    tiny: Any, kind: str, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        batches(tiny, kind, **changes)


def test_a_net_with_coordinates_is_not_cropped(tiny: Any) -> None:
    with pytest.raises(ConfigError, match="is told each pixel's coordinates"):
        ShapesBatches(tiny.recipe(crop=(4, 4)), tiny.stage("ssr", coordinates=True), tiny.stage("base"))


def test_a_later_stage_needs_the_one_before(tiny: Any) -> None:
    with pytest.raises(ConfigError, match="only a base stage has no stage before it"):
        ShapesBatches(tiny.recipe(), tiny.stage("ssr"), None)
