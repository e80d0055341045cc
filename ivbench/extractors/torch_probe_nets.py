"""The networks of the frame probe and the video probe: small convolutional nets with attribute heads.

Both read what `frames_to_input` makes of uint8 frames of any size, give `FEATURES` numbers, and answer each attribute
by a linear map of these numbers, so that what the heads know is what a Frechet distance on the features can see.
Group normalisation only: no result depends on what else is in the batch.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = [
    "CLIP_FRAMES",
    "FEATURES",
    "FRAME_FEATURES",
    "INPUT_SIZE",
    "FrameProbeNet",
    "ProbeHeads",
    "VideoProbeNet",
    "clip_frames",
    "frames_to_input",
]

FEATURES = 32
FRAME_FEATURES = 64
INPUT_SIZE = (24, 40)
CLIP_FRAMES = 8


def frames_to_input(frames: Tensor, size: tuple[int, int] = INPUT_SIZE) -> Tensor:
    """Resize frames to a network's own size: antialiased bilinear, in float32.

    Args:
        frames: [N, H, W, C] uint8.
        size: height and width wanted.

    Returns:
        [N, C, *size] float32 in [-1, 1].
    """
    x = frames.permute(0, 3, 1, 2).to(torch.float32) / 127.5 - 1.0
    if tuple(x.shape[-2:]) == size:
        return x.contiguous()
    return functional.interpolate(x, size=size, mode="bilinear", antialias=True, align_corners=False)


def clip_frames(num_frames: int) -> list[int]:
    """Which `CLIP_FRAMES` frames of a clip the video probe reads: floor(i T / CLIP_FRAMES); short clips repeat some."""
    return [i * num_frames // CLIP_FRAMES for i in range(CLIP_FRAMES)]


class _Block(nn.Module):
    """Residual pair of 3x3 convolutions; a temporal 3-tap convolution between them when `temporal`, zero at first."""

    def __init__(self, channels: int, temporal: bool = False) -> None:
        super().__init__()
        self.norm1 = nn.GroupNorm(8, channels)
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.norm2 = nn.GroupNorm(8, channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)
        self.mix: nn.Module | None = None
        if temporal:
            self.mix = nn.Conv1d(channels, channels, 3, padding=1)
            nn.init.zeros_(self.mix.weight)

    def forward(self, x: Tensor, num_frames: int) -> Tensor:
        h = self.conv1(functional.silu(self.norm1(x)))
        if self.mix is not None:
            h = h + _over_time(self.mix, functional.silu(h), num_frames)
        return x + self.conv2(functional.silu(self.norm2(h)))


def _over_time(mix: nn.Module, x: Tensor, num_frames: int) -> Tensor:
    """Apply a 1-D convolution along the frames of x [B T, C, H, W]."""
    n, c, h, w = x.shape
    track = x.view(-1, num_frames, c, h, w).permute(0, 3, 4, 2, 1).reshape(-1, c, num_frames)
    mixed: Tensor = mix(track)
    return mixed.view(-1, h, w, c, num_frames).permute(0, 4, 3, 1, 2).reshape(n, c, h, w)


class _Trunk(nn.Module):
    """Frames [N, C, 24, 40] to [N, widths[2], 3, 5], by three levels; time is mixed at the two lower ones."""

    def __init__(self, widths: tuple[int, int, int], temporal: bool) -> None:
        super().__init__()
        a, b, c = widths
        self.stem = nn.Conv2d(12, a, 3, padding=1)
        self.block1 = _Block(a)
        self.down1 = nn.Conv2d(a, b, 3, stride=2, padding=1)
        self.block2 = _Block(b, temporal)
        self.down2 = nn.Conv2d(b, c, 3, stride=2, padding=1)
        self.block3 = _Block(c, temporal)

    def forward(self, x: Tensor, num_frames: int = 1) -> Tensor:
        x = self.stem(functional.pixel_unshuffle(x, 2).contiguous(memory_format=torch.channels_last))
        x = self.down1(self.block1(x, num_frames))
        x = self.down2(self.block2(x, num_frames))
        out: Tensor = self.block3(x, num_frames)
        return out


class ProbeHeads(nn.Module):
    """One linear map of the features an attribute."""

    def __init__(self, heads: Mapping[str, tuple[str, ...]]) -> None:
        super().__init__()
        self.heads = nn.ModuleDict({name: nn.Linear(FEATURES, len(values)) for name, values in heads.items()})

    def forward(self, features: Tensor) -> dict[str, Tensor]:
        """Features [N, FEATURES] to the logits of each attribute's values."""
        return {name: head(features) for name, head in self.heads.items()}


class FrameProbeNet(nn.Module):
    """Frames to features and attributes.

    Args:
        heads: values of each attribute.
        widths: channels at 12x20, 6x10 and 3x5.
    """

    def __init__(self, heads: Mapping[str, tuple[str, ...]], widths: tuple[int, int, int] = (48, 96, 128)) -> None:
        super().__init__()
        self.trunk = _Trunk(widths, temporal=False)
        self.project = nn.Linear(widths[2] * 15, FEATURES)
        self.heads = ProbeHeads(heads)
        self.place = nn.Linear(FEATURES, 3)

    def forward(self, x: Tensor) -> Tensor:
        """[N, 3, 24, 40] float32 in [-1, 1] to features [N, FEATURES]."""
        features: Tensor = self.project(functional.silu(self.trunk(x)).flatten(1))
        return features


class VideoProbeNet(nn.Module):
    """Clips to features and attributes; space and time by turns.

    Args:
        heads: values of each attribute.
        widths: channels at 12x20, 6x10 and 3x5.
    """

    def __init__(self, heads: Mapping[str, tuple[str, ...]], widths: tuple[int, int, int] = (32, 64, 96)) -> None:
        super().__init__()
        self.trunk = _Trunk(widths, temporal=True)
        self.squeeze = nn.Linear(widths[2] * (15 + 1), FRAME_FEATURES)
        self.project = nn.Linear(FRAME_FEATURES * CLIP_FRAMES, FEATURES)
        self.heads = ProbeHeads(heads)
        self.place = nn.Linear(FEATURES, 3)

    def frames(self, x: Tensor) -> Tensor:
        """[B, T, 3, 24, 40] float32 in [-1, 1] to what is kept of each frame, [B, T, FRAME_FEATURES].

        Every position is read, and the maximum over all: a shape is the same shape wherever it is.
        """
        maps = functional.silu(self.trunk(x.flatten(0, 1), x.shape[1]))
        kept: Tensor = self.squeeze(torch.cat([maps.flatten(1), maps.amax((2, 3))], dim=1))
        return functional.silu(kept).view(*x.shape[:2], FRAME_FEATURES)

    def forward(self, x: Tensor) -> Tensor:
        """[B, CLIP_FRAMES, 3, 24, 40] float32 in [-1, 1] to features [B, FEATURES]."""
        features: Tensor = self.project(self.frames(x).flatten(1))
        return features
