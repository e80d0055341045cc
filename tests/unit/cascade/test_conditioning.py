"""The conditioning video: resize, frame filling, and what is refused; on NumPy, array_api_strict and PyTorch."""

from __future__ import annotations

from typing import Any

import array_api_strict
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivbench.cascade import conditioning_video, fill_frames, upsample
from ivbench.errors import ShapeError
from ivbench.spec import StageSpec, VideoUNetSpec


def stage(frames: int, height: int, width: int, filling: str = "repeat") -> StageSpec:
    unet = VideoUNetSpec(
        channels=4,
        multipliers=(1,),
        blocks=(1,),
        spatial_attention=(False,),
        temporal=("none",),
        head_dim=4,
        groups=4,
        text_dim=4,
        embedding_dim=4,
        conditioning=True,
    )
    sizes = {"frames": frames, "height": height, "width": width, "fps": 6}
    return StageSpec.model_validate({"name": "up", "kind": "ssr", "unet": unet, "frame_filling": filling, **sizes})


def video(*shape: int) -> Any:
    return np.random.default_rng(0).standard_normal(shape).astype(np.float32)


@given(st.integers(1, 6), st.integers(1, 6), st.integers(1, 4), st.integers(1, 4))
def test_upsample_is_bilinear_with_half_pixel_centres(h: int, w: int, up: int, across: int) -> None:
    torch = pytest.importorskip("torch")
    low = video(2, 3, h, w, 3).astype(np.float64)
    frames = torch.from_numpy(low.reshape(6, h, w, 3)).permute(0, 3, 1, 2)
    expected = torch.nn.functional.interpolate(frames, (h * up, w * across), mode="bilinear", align_corners=False)
    got = upsample(low, h * up, w * across).reshape(6, h * up, w * across, 3)
    np.testing.assert_allclose(got, expected.permute(0, 2, 3, 1).numpy(), atol=1e-12)
    np.testing.assert_allclose(upsample(low.astype(np.float32), h * up, w * across).reshape(got.shape), got, atol=1e-6)


@given(st.integers(1, 6), st.integers(1, 6), st.integers(1, 4), st.integers(1, 4))
def test_upsample_repeats_the_nearest(h: int, w: int, up: int, across: int) -> None:
    low = video(2, 3, h, w, 3)
    np.testing.assert_array_equal(upsample(low, h * up, w * across, "nearest"), low.repeat(up, 2).repeat(across, 3))


def test_a_network_of_another_project_says_how_its_conditioning_video_is_resized() -> None:
    sizes = {"frames": 4, "height": 4, "width": 6, "fps": 6}
    network = {"parameters": 1, "flops": 1, "resize": "nearest"}
    own = StageSpec.model_validate({"name": "up", "kind": "ssr", "network": network, **sizes})
    low = video(1, 2, 2, 3, 3)
    np.testing.assert_array_equal(conditioning_video(low, own), low.repeat(2, 1).repeat(2, 2).repeat(2, 3))


def test_upsample_keeps_a_constant() -> None:
    np.testing.assert_allclose(upsample(np.full((1, 1, 3, 5, 3), 0.25), 12, 20), 0.25, rtol=1e-15)


@pytest.mark.parametrize("filling", ["repeat", "blank"])
def test_the_standard_alone_gives_the_same_as_numpy(filling: str) -> None:
    low = video(2, 2, 3, 5, 3)
    strict = conditioning_video(array_api_strict.asarray(low), stage(4, 6, 10, filling))
    assert strict.dtype == array_api_strict.float32
    np.testing.assert_allclose(np.asarray(strict), conditioning_video(low, stage(4, 6, 10, filling)), atol=1e-6)


@pytest.mark.parametrize("filling", ["repeat", "blank"])
def test_torch_gives_the_same_as_numpy(filling: str) -> None:
    torch = pytest.importorskip("torch")
    low = video(2, 2, 3, 5, 3)
    got = conditioning_video(torch.from_numpy(low), stage(4, 6, 10, filling))
    assert got.dtype == torch.float32
    np.testing.assert_allclose(got.numpy(), conditioning_video(low, stage(4, 6, 10, filling)), atol=1e-6)


def test_frame_i_becomes_frame_k_i_and_is_repeated() -> None:
    low = video(2, 3, 2, 2, 3)
    filled = fill_frames(low, 6, "repeat")
    np.testing.assert_array_equal(filled, low[:, [0, 0, 1, 1, 2, 2]])


def test_blank_frames_are_zero() -> None:
    low = video(2, 2, 2, 2, 3)
    filled = fill_frames(low, 6, "blank")
    np.testing.assert_array_equal(filled[:, ::3], low)
    assert not filled[:, [1, 2, 4, 5]].any()


def test_a_video_of_the_right_size_is_left_as_it_is() -> None:
    low = video(2, 4, 6, 10, 3)
    assert conditioning_video(low, stage(4, 6, 10)) is low


@pytest.mark.parametrize("shape", [(3, 6, 10), (8, 6, 10), (4, 4, 10), (4, 6, 4), (4, 12, 20)])
def test_a_video_that_is_no_whole_fraction_is_refused(shape: tuple[int, int, int]) -> None:
    size = "x".join(map(str, shape))
    with pytest.raises(ShapeError, match=rf'stage "up" makes 4x6x10 \(TxHxW\) and cannot start from {size}'):
        conditioning_video(video(1, *shape, 3), stage(4, 6, 10))


@pytest.mark.parametrize("shape", [(4, 6, 10, 3), (1, 4, 3, 6, 10), (1, 4, 6, 10, 4)])
def test_a_video_with_other_axes_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ShapeError, match=r"expects video \[B, T, H, W, 3\], got"):
        conditioning_video(video(*shape), stage(4, 6, 10))
