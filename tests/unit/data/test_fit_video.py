"""Given videos at the size and rate of a stage."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PIL import Image

from ivbench.data.fit_video import fit_video
from ivbench.errors import ShapeError
from ivbench.spec import StageSpec


def stage() -> StageSpec:
    unet: Any = {
        "channels": 32,
        "multipliers": [1],
        "blocks": [1],
        "spatial_attention": [False],
        "temporal": ["convolution"],
        "text_dim": 8,
        "embedding_dim": 32,
    }
    return StageSpec(name="base", kind="base", frames=4, height=6, width=10, fps=6, unet=unet)


def video(frames: int, height: int, width: int) -> np.ndarray[Any, Any]:
    return np.random.default_rng(0).integers(0, 256, (frames, height, width, 3), dtype=np.uint8)


def test_a_video_of_the_stages_own_form_stays_as_it_is() -> None:
    frames = video(4, 6, 10)
    assert (fit_video(frames, 6.0, stage(), "v") == frames).all()
    assert (fit_video(frames, None, stage(), "v") == frames).all()


def test_frames_are_skipped_to_the_stages_rate() -> None:
    frames = video(13, 6, 10)
    assert (fit_video(frames, 24.0, stage(), "v") == frames[[0, 4, 8, 12]]).all()


def test_the_centre_is_kept_where_the_aspect_ratio_differs() -> None:
    frames = video(4, 6, 14)
    assert (fit_video(frames, 6.0, stage(), "v") == frames[:, :, 2:12]).all()
    tall = video(4, 10, 10)
    assert (fit_video(tall, 6.0, stage(), "v") == tall[:, 2:8]).all()


def test_the_resize_is_pillows_antialiased_bilinear() -> None:
    frames = video(4, 24, 40)
    found = fit_video(frames, 6.0, stage(), "v")
    for got, frame in zip(found, frames, strict=True):
        assert (got == np.asarray(Image.fromarray(frame).resize((10, 6), Image.Resampling.BILINEAR))).all()
    stripes = np.zeros((4, 24, 40, 3), np.uint8)
    stripes[:, :, ::2] = 255
    assert abs(fit_video(stripes, 6.0, stage(), "v").astype(int) - 127).max() <= 10  # not aliased to black or white


def test_a_short_or_slow_video_is_said() -> None:
    with pytest.raises(ShapeError, match="v has 3 frames, 4 are needed"):
        fit_video(video(3, 6, 10), 6.0, stage(), "v")
    with pytest.raises(ShapeError, match="v has 3 frames a second, 6 are needed"):
        fit_video(video(9, 6, 10), 3.0, stage(), "v")
