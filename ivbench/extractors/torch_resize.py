"""The field's ways to resize frames for a network, each as its tools do it: uint8 frames to float pixels.

Which one a number uses is its profile's choice. Two of them differ by whole points of FID on the same images.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn import functional

from ivbench.config import ResizeStep

__all__ = ["KERNELS", "frames_to_pixels", "resize", "resize_in_words"]

Kernel = Callable[[Tensor, int, int], Tensor]


def frames_to_pixels(frames: NDArray[np.uint8], device: str = "cpu") -> Tensor:
    """Frames [N, H, W, 3] uint8 as [N, 3, H, W] float32 in [0, 255]."""
    tensor = torch.from_numpy(np.ascontiguousarray(frames)).to(device)
    return tensor.permute(0, 3, 1, 2).to(torch.float32)


def resize(pixels: Tensor, step: ResizeStep) -> Tensor:
    """One resize of a profile.

    Args:
        pixels: [N, C, H, W] float32 in [0, 255].
        step: kernel, size, fit and rounding.

    Returns:
        [N, C, size, size] float32 in [0, 255], or a little beyond where a kernel overshoots and does not clip; of the
        fit shorter one side is longer.
    """
    height, width = _target(pixels.shape[-2], pixels.shape[-1], step)
    x = KERNELS[step.kernel](pixels / 255.0 if step.unit else pixels, height, width)
    x = _centre(x, step)
    x = x * 255.0 if step.unit else x
    if step.quantise == "round":
        return x.clamp(0, 255).round()
    return x.to(torch.uint8).to(torch.float32) if step.quantise == "truncate" else x


def resize_in_words(step: ResizeStep) -> str:
    """A step as protocols say it."""
    fit = _FITS[step.fit]
    cut = {"none": "", "truncate": ", cut to whole levels", "round": ", rounded"}[step.quantise]
    size = f"{step.size}" if step.fit == "shorter" else f"{step.size}x{step.size}"
    return f"{step.kernel}{' in [0, 1]' if step.unit else ''} to {size}, {fit}{cut}"


def _target(height: int, width: int, step: ResizeStep) -> tuple[int, int]:
    """Size before a crop: both sides, or the shorter one with the longer in proportion, rounded down or up."""
    if step.fit == "squash":
        return step.size, step.size
    short, long = min(height, width), max(height, width)
    # the first as cd-fvd, the second as torchvision's Resize and transformers
    other = math.ceil(long * (step.size / short)) if step.fit == "crop-ceil" else int(step.size * long / short)
    return (step.size, other) if height <= width else (other, step.size)


def _centre(x: Tensor, step: ResizeStep) -> Tensor:
    if step.fit == "shorter":
        return x
    extra = [x.shape[-2] - step.size, x.shape[-1] - step.size]
    # torchvision rounds half to even, the others round down
    top, left = (round(e / 2.0) if step.fit == "crop" else e // 2 for e in extra)
    return x[..., top : top + step.size, left : left + step.size]


_FITS = {
    "squash": "both sides",
    "crop": "centre crop",
    "crop-floor": "centre crop, its place rounded down",
    "crop-ceil": "centre crop, longer side rounded up",
    "shorter": "the shorter side, no crop",
}


def _torch(mode: str, antialias: bool) -> Kernel:
    """PyTorch's own: pixel centres at half-integers."""

    def kernel(x: Tensor, height: int, width: int) -> Tensor:
        return functional.interpolate(x, size=(height, width), mode=mode, align_corners=False, antialias=antialias)

    return kernel


def _tf1_bilinear(x: Tensor, height: int, width: int) -> Tensor:
    """TensorFlow 1's bilinear: output pixel i looks at i * in / out, corners not aligned, no half-pixel, no antialias.

    Source: the kernel of tf.image.resize_bilinear with align_corners=False; the factor is rounded to float32 there.
    """
    x = _lerp(x, width, -1)
    return _lerp(x, height, -2)


def _lerp(x: Tensor, size: int, axis: int) -> Tensor:
    length = x.shape[axis]
    place = torch.arange(size, dtype=torch.float32, device=x.device) * torch.tensor(length / size, dtype=torch.float32)
    low = place.long()
    high = (low + 1).clamp(max=length - 1)
    weight = (place - low).to(x.dtype)
    weight = weight if axis == -1 else weight[:, None]
    below = x.index_select(axis, low)
    return below + (x.index_select(axis, high) - below) * weight


def _pil_float(x: Tensor, height: int, width: int) -> Tensor:
    """Pillow's antialiased bicubic on float channels, clipped to [0, 255] and not rounded."""
    planes = x.reshape(-1, *x.shape[-2:]).cpu().numpy()
    done = [np.asarray(Image.fromarray(p).resize((width, height), Image.Resampling.BICUBIC)) for p in planes]
    out = np.stack(done).clip(0, 255).reshape(*x.shape[:-2], height, width)
    return torch.from_numpy(out).to(x.device)


def _pil_bytes(x: Tensor, height: int, width: int) -> Tensor:
    """Pillow's antialiased bicubic on 8-bit images: rounded to whole levels after each of its two passes."""
    images = x.permute(0, 2, 3, 1).to(torch.uint8).cpu().numpy()
    done = [np.asarray(Image.fromarray(i).resize((width, height), Image.Resampling.BICUBIC)) for i in images]
    return frames_to_pixels(np.stack(done), str(x.device))


def _torch_bytes(x: Tensor, height: int, width: int) -> Tensor:
    """PyTorch's antialiased bicubic on 8-bit images, on the CPU: rounded to whole levels after each of two passes."""
    kernel = _torch("bicubic", antialias=True)
    return kernel(x.to("cpu", torch.uint8), height, width).to(x.device, torch.float32)


KERNELS: dict[str, Kernel] = {
    "torch-bilinear": _torch("bilinear", antialias=False),
    "torch-bilinear-antialias": _torch("bilinear", antialias=True),
    "torch-bicubic": _torch("bicubic", antialias=False),
    "torch-bicubic-antialias": _torch("bicubic", antialias=True),
    "torch-bicubic-bytes": _torch_bytes,
    "tf1-bilinear": _tf1_bilinear,
    "pil-bicubic-float": _pil_float,
    "pil-bicubic": _pil_bytes,
}
"""Name -> (pixels [N, C, H, W] float32 in [0, 255], height, width) -> [N, C, height, width] float32."""
