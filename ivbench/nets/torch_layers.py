"""The parts of the Video U-Net in PyTorch: stem, residual block, spatial and temporal mixing."""

from __future__ import annotations

import math
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ivbench.spec import Block, VideoUNetSpec
from ivbench.spec.parameters import FARTHEST, VIDEO_CHANNELS

__all__ = [
    "ResidualBlock",
    "SpatialAttention",
    "Stem",
    "TemporalAttention",
    "TemporalConvolution",
    "Upsample",
    "conv",
    "fourier",
    "silent",
    "space_to_depth",
]

_SHORT = 16
"""Up to this many frames temporal attention is plain matrix products: faster than a fused kernel on a CPU."""


def fourier(value: Tensor, dim: int) -> Tensor:
    """Sinusoids of a scalar at geometric frequencies from 0.05 to 4 radians a unit: [...] -> [..., dim]."""
    steps = torch.linspace(math.log(0.05), math.log(4.0), dim // 2, device=value.device, dtype=torch.float64)
    angle = value[..., None] * steps.exp().to(value.dtype)
    return torch.cat([angle.sin(), angle.cos()], dim=-1)


def conv(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """3x3 convolution with zero padding: [N, C, H, W] -> [N, C', H, W]."""
    return F.conv2d(x, weight, bias, padding=1)


def space_to_depth(x: Tensor, fold: int, inverse: bool = False) -> Tensor:
    """[N, H, W, C] -> [N, H/fold, W/fold, fold*fold*C], or back."""
    if fold == 1:
        return x
    n, h, w, c = x.shape
    if inverse:
        return x.reshape(n, h, w, fold, fold, -1).permute(0, 1, 3, 2, 4, 5).reshape(n, h * fold, w * fold, -1)
    return (
        x.reshape(n, h // fold, fold, w // fold, fold, c).permute(0, 1, 3, 2, 4, 5).reshape(n, h // fold, w // fold, -1)
    )


class Stem(nn.Module):
    """Space to depth and a 3x3 convolution whose kernel is split by input: z_t, conditioning video, coordinates."""

    def __init__(self, spec: VideoUNetSpec) -> None:
        super().__init__()
        self.fold = spec.space_to_depth
        inputs = VIDEO_CHANNELS * self.fold**2
        whole = nn.Conv2d(inputs * (1 + spec.conditioning) + 2 * self.fold**2 * spec.coordinates, spec.channels, 3)
        self.weight = nn.Parameter(whole.weight[:, :inputs].detach().clone())
        self.bias = nn.Parameter(torch.zeros(spec.channels))
        if spec.conditioning:
            self.conditioning = nn.Parameter(whole.weight[:, inputs : 2 * inputs].detach().clone())
        if spec.coordinates:
            self.coordinates = nn.Parameter(whole.weight[:, -2 * self.fold**2 :].detach().clone())
        self.has = (spec.conditioning, spec.coordinates)

    def shared(self, conditioning: Tensor | None, count: int, size: tuple[int, int]) -> Tensor | None:
        """The share of the inputs that no step changes: [count, channels, h, w], or [1, ...] for coordinates alone."""
        share: Tensor | None = None
        if self.has[0]:
            assert conditioning is not None
            share = conv(self._fold(conditioning.reshape(count, *size, VIDEO_CHANNELS)), self.conditioning)
        if self.has[1]:
            ys, xs = (torch.linspace(-1, 1, n, device=self.weight.device, dtype=self.weight.dtype) for n in size)
            grid = torch.stack(torch.meshgrid(ys, xs, indexing="ij"), dim=-1)[None]
            place = conv(self._fold(grid), self.coordinates)
            share = place if share is None else share + place
        return share

    def forward(self, frames: Tensor, share: Tensor | None) -> Tensor:
        """[N, H, W, C] -> [N, channels, h, w]."""
        x = conv(self._fold(frames), self.weight, self.bias)
        return x if share is None else x + share

    def _fold(self, x: Tensor) -> Tensor:
        return space_to_depth(x, self.fold).permute(0, 3, 1, 2)


class Upsample(nn.Conv2d):
    """Nearest neighbour x2, then a 3x3 convolution."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] -> [N, C', 2H, 2W]."""
        return super().forward(F.interpolate(x, scale_factor=2.0, mode="nearest"))


class ResidualBlock(nn.Module):
    """Spatial convolutions with FiLM, then spatial attention, then temporal mixing; each a residual."""

    def __init__(self, block: Block, spec: VideoUNetSpec) -> None:
        super().__init__()
        width = block.outputs
        self.norm1 = nn.GroupNorm(spec.groups, block.inputs)
        self.conv1 = nn.Conv2d(block.inputs, width, 3, padding=1)
        self.film = nn.Linear(spec.embedding_dim, 2 * width)
        self.norm2 = nn.GroupNorm(spec.groups, width)
        self.conv2 = silent(nn.Conv2d(width, width, 3, padding=1))
        if block.inputs != width:
            self.skip = nn.Linear(block.inputs, width)
        if block.attention:
            self.spatial = SpatialAttention(width, spec)
        if block.temporal == "attention":
            self.temporal: nn.Module = TemporalAttention(width, spec)
        elif block.temporal == "convolution":
            self.temporal = TemporalConvolution(width, spec)
        self.has = (block.inputs != width, block.attention, block.temporal != "none")

    def forward(
        self,
        x: Tensor,
        embedding: Tensor,
        frames: int,
        text: Tensor | None,
        text_mask: Tensor,
        images: Tensor | None,
    ) -> Tensor:
        """[N, C, H, W] with N = B*T -> [N, C', H, W]; embedding [N, E]; text keys and values of this block."""
        scale, shift = self.film(embedding)[:, :, None, None].chunk(2, dim=1)
        h = self.conv1(F.silu(self.norm1(x)))
        h = torch.addcmul(shift, self.norm2(h), 1 + scale)
        h = self.conv2(F.silu(h))
        if self.has[0]:
            x = self.skip(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        x = x + h
        if self.has[1]:
            assert text is not None
            x = x + self.spatial(x, text, text_mask)
        if self.has[2]:
            x = x + self.temporal(x, frames, images)
        return x


class SpatialAttention(nn.Module):
    """Positions of a frame attend to one another and to the text tokens (Imagen's keys and values, concatenated)."""

    def __init__(self, width: int, spec: VideoUNetSpec) -> None:
        super().__init__()
        self.heads, self.head_dim = width // spec.head_dim, spec.head_dim
        self.norm = nn.GroupNorm(spec.groups, width)
        self.qkv = nn.Linear(width, 3 * width)
        self.text = nn.Linear(spec.text_dim, 2 * width)
        self.output = silent(nn.Linear(width, width))

    def text_kv(self, tokens: Tensor) -> Tensor:
        """[N, L, D] -> keys and values [N, 2, heads, L, head_dim]."""
        n, length, _ = tokens.shape
        kv = self.text(tokens).reshape(n, length, 2, self.heads, self.head_dim)
        return cast(Tensor, kv.permute(0, 2, 3, 1, 4))

    def forward(self, x: Tensor, text: Tensor, text_mask: Tensor) -> Tensor:
        """[N, C, H, W] -> [N, C, H, W], the residual."""
        n, c, h, w = x.shape
        tokens = self.norm(x).permute(0, 2, 3, 1).reshape(n, h * w, c)
        q, k, v = self.qkv(tokens).reshape(n, h * w, 3, self.heads, self.head_dim).permute(2, 0, 3, 1, 4)
        k, v = torch.cat([k, text[:, 0]], dim=2), torch.cat([v, text[:, 1]], dim=2)
        mask = F.pad(text_mask, (h * w, 0))
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=mask).transpose(1, 2).reshape(n, h, w, c)
        return cast(Tensor, self.output(y)).permute(0, 3, 1, 2)


class TemporalAttention(nn.Module):
    """Frames attend to one another at each position; in packs of images each frame sees itself alone."""

    def __init__(self, width: int, spec: VideoUNetSpec) -> None:
        super().__init__()
        self.heads, self.head_dim = width // spec.head_dim, spec.head_dim
        self.norm = nn.GroupNorm(spec.groups, width)
        self.qkv = nn.Linear(width, 3 * width)
        self.distance = nn.Parameter(torch.zeros(self.heads, 2 * FARTHEST + 1))
        self.output = silent(nn.Linear(width, width))

    def forward(self, x: Tensor, frames: int, images: Tensor | None) -> Tensor:
        """[N, C, H, W] -> [N, C, H, W], the residual."""
        n, c, h, w = x.shape
        tokens = self.norm(x).permute(0, 2, 3, 1)
        qkv = self.qkv(tokens).reshape(n // frames, frames, h * w, 3, self.heads, self.head_dim)
        q, k, v = qkv.permute(3, 0, 2, 4, 1, 5)
        index = torch.arange(frames, device=x.device)
        bias = self.distance[:, (index[None] - index[:, None]).clamp(-FARTHEST, FARTHEST) + FARTHEST]
        if images is not None:
            bias = bias + _alone(images, frames, q.dtype)
        y = _attend(q, k, v, bias).permute(0, 3, 1, 2, 4).reshape(n, h, w, c)
        return cast(Tensor, self.output(y)).permute(0, 3, 1, 2)


class TemporalConvolution(nn.Module):
    """Convolution of width 3 over frames at each position; bypassed in packs of images."""

    def __init__(self, width: int, spec: VideoUNetSpec) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(spec.groups, width)
        self.weight = nn.Parameter(torch.zeros(width, width, 3, 1))
        self.bias = nn.Parameter(torch.zeros(width))

    def forward(self, x: Tensor, frames: int, images: Tensor | None) -> Tensor:
        """[N, C, H, W] -> [N, C, H, W], the residual."""
        n, c, h, w = x.shape
        lines = F.silu(self.norm(x)).permute(0, 2, 3, 1).reshape(n // frames, frames, h * w, c).permute(0, 3, 1, 2)
        y = F.conv2d(lines, self.weight, self.bias, padding=(1, 0))
        if images is not None:
            y = y * (~images)[:, None, None, None]
        return y.permute(0, 2, 3, 1).reshape(n, h, w, c).permute(0, 3, 1, 2)


def _alone(images: Tensor, frames: int, dtype: torch.dtype) -> Tensor:
    """[B, 1, 1, T, T] additive: -inf off the diagonal in packs of images."""
    others = ~torch.eye(frames, dtype=torch.bool, device=images.device)
    bias = torch.zeros(images.shape[0], 1, 1, frames, frames, dtype=dtype, device=images.device)
    return bias.masked_fill(images[:, None, None, None, None] & others, -math.inf)


def _attend(q: Tensor, k: Tensor, v: Tensor, bias: Tensor) -> Tensor:
    """Attention over the last axis but one: [B, P, heads, T, head_dim]."""
    if q.shape[-2] > _SHORT:
        return F.scaled_dot_product_attention(q, k, v, attn_mask=bias)
    scores = q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1]) + bias
    return cast(Tensor, scores.softmax(dim=-1) @ v)


def silent(module: nn.Linear | nn.Conv2d) -> nn.Linear | nn.Conv2d:
    """Start a residual at zero."""
    nn.init.zeros_(module.weight)
    assert module.bias is not None
    nn.init.zeros_(module.bias)
    return module
