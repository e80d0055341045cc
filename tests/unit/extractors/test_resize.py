"""The resize kernels: against the libraries they are named after, closed forms, and the crops' rounding."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional

from ivbench.config import ResizeStep
from ivbench.extractors.torch_resize import KERNELS, frames_to_pixels, resize, resize_in_words

IMAGE = np.random.default_rng(0).integers(0, 256, (1, 45, 70, 3), dtype=np.uint8)
PIXELS = frames_to_pixels(IMAGE)


def step(**changes: object) -> ResizeStep:
    return ResizeStep.model_validate({"kernel": "torch-bilinear", "size": 32, **changes})


@pytest.mark.parametrize("kernel", sorted(KERNELS))
def test_a_constant_stays_constant(kernel: str) -> None:
    for size in (7, 32, 99):
        out = resize(torch.full((2, 3, 45, 70), 77.0), step(kernel=kernel, size=size))
        assert out.shape == (2, 3, size, size)
        torch.testing.assert_close(out, torch.full_like(out, 77.0), atol=1e-4, rtol=0)


@pytest.mark.parametrize("size", [20, 299])
def test_tf1_bilinear_looks_at_i_times_in_over_out(size: int) -> None:
    out = resize(PIXELS, step(kernel="tf1-bilinear", size=size)).numpy()
    y, x = np.arange(size) * 45 / size, np.arange(size) * 70 / size
    y0, x0 = y.astype(int), x.astype(int)
    y1, x1 = np.minimum(y0 + 1, 44), np.minimum(x0 + 1, 69)
    dy, dx = (y - y0)[:, None, None], (x - x0)[:, None]
    image = IMAGE[0].astype(float)
    top = image[y0][:, x0] * (1 - dx) + image[y0][:, x1] * dx
    bottom = image[y1][:, x0] * (1 - dx) + image[y1][:, x1] * dx
    np.testing.assert_allclose(out[0].transpose(1, 2, 0), top * (1 - dy) + bottom * dy, atol=2e-3)


def test_tf1_bilinear_keeps_the_first_pixel_and_the_half_pixel_kernel_does_not() -> None:
    ramp = torch.arange(8.0).expand(1, 3, 8, 8)
    tf1 = resize(ramp, step(kernel="tf1-bilinear", size=4))[0, 0, 0]
    torch.testing.assert_close(tf1, torch.tensor([0.0, 2.0, 4.0, 6.0]))
    half = resize(ramp, step(kernel="torch-bilinear", size=4))[0, 0, 0]
    torch.testing.assert_close(half, torch.tensor([0.5, 2.5, 4.5, 6.5]))


def test_pillows_kernels_are_pillows() -> None:
    expected = np.asarray(Image.fromarray(IMAGE[0]).resize((32, 32), Image.Resampling.BICUBIC))
    got = resize(PIXELS, step(kernel="pil-bicubic"))
    np.testing.assert_array_equal(got[0].permute(1, 2, 0).numpy(), expected)
    plane = Image.fromarray(IMAGE[0, ..., 1].astype(np.float32)).resize((32, 32), Image.Resampling.BICUBIC)
    got = resize(PIXELS, step(kernel="pil-bicubic-float"))
    np.testing.assert_array_equal(got[0, 1].numpy(), np.asarray(plane).clip(0, 255))


@pytest.mark.parametrize(
    ("kernel", "mode", "antialias"),
    [
        ("torch-bicubic", "bicubic", False),
        ("torch-bilinear-antialias", "bilinear", True),
        ("torch-bicubic-antialias", "bicubic", True),
    ],
)
def test_torchs_kernels_are_torchs(kernel: str, mode: str, antialias: bool) -> None:
    expected = functional.interpolate(PIXELS, (20, 20), mode=mode, align_corners=False, antialias=antialias)
    torch.testing.assert_close(resize(PIXELS, step(kernel=kernel, size=20)), expected, atol=0, rtol=0)


@pytest.mark.parametrize(
    ("fit", "height", "width", "scaled"),
    [
        ("crop", 45, 70, (32, 49)),  # 49.8 down
        ("crop-floor", 45, 70, (32, 49)),
        ("crop-ceil", 45, 70, (32, 50)),
        ("crop", 70, 45, (49, 32)),
        ("crop-ceil", 70, 45, (50, 32)),
        ("crop", 50, 50, (32, 32)),
    ],
)
def test_a_crop_takes_the_centre_of_the_shorter_side_scaled(
    fit: str, height: int, width: int, scaled: tuple[int, int]
) -> None:
    pixels = torch.rand(1, 3, height, width) * 255
    whole = functional.interpolate(pixels, scaled, mode="bilinear", align_corners=False)
    top, left = (round(e / 2) if fit == "crop" else e // 2 for e in (scaled[0] - 32, scaled[1] - 32))
    torch.testing.assert_close(resize(pixels, step(fit=fit)), whole[..., top : top + 32, left : left + 32])


@pytest.mark.parametrize(("height", "width", "scaled"), [(45, 70, (32, 49)), (70, 45, (49, 32)), (50, 50, (32, 32))])
def test_the_shorter_side_alone_is_scaled_without_a_crop(height: int, width: int, scaled: tuple[int, int]) -> None:
    pixels = torch.rand(1, 3, height, width) * 255
    whole = functional.interpolate(pixels, scaled, mode="bilinear", align_corners=False)
    torch.testing.assert_close(resize(pixels, step(fit="shorter")), whole)
    assert resize_in_words(step(fit="shorter")) == "torch-bilinear to 32, the shorter side, no crop"


def test_torchs_bytes_are_torchs_own_resize_of_8_bit_images() -> None:
    expected = functional.interpolate(PIXELS.to(torch.uint8), (20, 20), mode="bicubic", antialias=True)
    got = resize(PIXELS, step(kernel="torch-bicubic-bytes", size=20))
    assert torch.equal(got, expected.float())
    assert not torch.equal(got, resize(PIXELS, step(kernel="torch-bicubic-antialias", size=20)).clamp(0, 255).round())


def test_truncation_goes_down_to_whole_levels_and_keeps_what_is_whole() -> None:
    same = resize(PIXELS, step(kernel="torch-bilinear-antialias", size=45, fit="crop", unit=True, quantise="truncate"))
    untouched = PIXELS[..., 12:57]  # an even crop of a side that was not scaled: x / 255 * 255 may fall one short
    assert (untouched - same).abs().max() <= 1
    assert torch.equal(same, same.floor())
    assert not torch.equal(resize(PIXELS, step(quantise="truncate")), resize(PIXELS, step()))
