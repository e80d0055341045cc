from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from ivbench.data.sprites import MAX_WIDTH, read_sprite, write_sprite
from ivbench.errors import ShapeError


@given(shape=st.tuples(*[st.integers(1, 9)] * 3), seed=st.integers(0, 99))
def test_a_strip_gives_back_every_pixel(
    tmp_path_factory: pytest.TempPathFactory, shape: tuple[int, int, int], seed: int
) -> None:
    video = np.random.default_rng(seed).integers(0, 256, (*shape, 3), np.uint8)
    path = tmp_path_factory.mktemp("sprites") / "deeper" / "clip.webp"
    write_sprite(video, path)
    assert np.array_equal(read_sprite(path, shape[0]), video)


def test_frames_lie_side_by_side_in_order(tmp_path: Path) -> None:
    video = np.stack([np.full((2, 5, 3), 60 * frame, np.uint8) for frame in range(4)])
    write_sprite(video, tmp_path / "clip.webp")
    with Image.open(tmp_path / "clip.webp") as image:
        assert (image.format, image.size) == ("WEBP", (20, 2))
        assert [image.convert("RGB").getpixel((5 * frame, 1)) for frame in range(4)] == [
            (60 * f,) * 3 for f in range(4)
        ]


def test_the_same_pixels_are_the_same_bytes(tmp_path: Path) -> None:
    video = np.random.default_rng(0).integers(0, 256, (3, 4, 5, 3), np.uint8)
    for name in ("a", "b"):
        write_sprite(video.copy(order="F"), tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]


@pytest.mark.parametrize(
    "video",
    [
        np.zeros((2, 3, 4, 3), np.float32),
        np.zeros((2, 3, 4), np.uint8),
        np.zeros((2, 3, 4, 1), np.uint8),
        np.zeros((0, 3, 4, 3), np.uint8),
        np.zeros((2, 1, MAX_WIDTH, 3), np.uint8),
    ],
    ids=["float", "no channels", "one channel", "no frames", "too wide"],
)
def test_what_is_no_clip_is_refused_and_leaves_no_file(tmp_path: Path, video: np.ndarray) -> None:
    with pytest.raises(ShapeError):
        write_sprite(video, tmp_path / "clip.webp")
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_number_of_frames_is_refused(tmp_path: Path) -> None:
    write_sprite(np.zeros((4, 2, 5, 3), np.uint8), tmp_path / "clip.webp")
    with pytest.raises(ShapeError, match="20 pixels wide"):
        read_sprite(tmp_path / "clip.webp", 3)
