"""The parts of the Video U-Net in JAX: stem, residual block, spatial and temporal mixing, as functions of parameters.

Frames are [N, H, W, C] with N = B*T. Parameters are a mapping from flat name to array, in the layout of `arranged`;
a part reads those under its prefix.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from ivbench.spec import Block, VideoUNetSpec
from ivbench.spec.parameters import FARTHEST, VIDEO_CHANNELS

__all__ = [
    "Array",
    "Parameters",
    "arranged",
    "conv",
    "downsample",
    "film",
    "fourier",
    "group_norm",
    "linear",
    "residual_block",
    "space_to_depth",
    "stem_share",
    "text_kv",
    "upsample",
]

Array: TypeAlias = Any
Parameters: TypeAlias = Mapping[str, Array]


def arranged(parameters: Parameters) -> dict[str, Array]:
    """Parameters of the file as these functions read them: [in, out] matrices and [height, width, in, out] kernels.

    Args:
        parameters: array by flat name, [out, in] and [out, in, height, width], as `ivbench.spec.parameters` says.

    Returns:
        The same names. Linear, so a loss may be differentiated through it.
    """
    return {name: _arranged(name, value) for name, value in parameters.items()}


def _arranged(name: str, value: Array) -> Array:
    if value.ndim == 4:
        return jnp.transpose(value, (2, 3, 1, 0))
    return value.T if value.ndim == 2 and not name.endswith(".distance") else value


def fourier(value: Array, dim: int) -> Array:
    """Sinusoids of a scalar at geometric frequencies from 0.05 to 4 radians a unit: [...] -> [..., dim]."""
    frequencies = np.exp(np.linspace(math.log(0.05), math.log(4.0), dim // 2))
    angle = value[..., None] * frequencies.astype(value.dtype)
    return jnp.concatenate([jnp.sin(angle), jnp.cos(angle)], axis=-1)


def linear(p: Parameters, name: str, x: Array) -> Array:
    """[..., in] -> [..., out]."""
    return x @ p[f"{name}.weight"] + p[f"{name}.bias"]


def conv(x: Array, weight: Array, stride: int = 1) -> Array:
    """3x3 convolution with zero padding: [N, H, W, C] -> [N, H/stride, W/stride, C']."""
    padding = ((1, 1), (1, 1))
    return lax.conv_general_dilated(x, weight, (stride, stride), padding, dimension_numbers=("NHWC", "HWIO", "NHWC"))


def _biased(p: Parameters, name: str, x: Array) -> Array:
    return conv(x, p[f"{name}.weight"]) + p[f"{name}.bias"]


def downsample(p: Parameters, name: str, x: Array) -> Array:
    """3x3 convolution of stride 2: [N, H, W, C] -> [N, ceil(H/2), ceil(W/2), C']."""
    return conv(x, p[f"{name}.weight"], stride=2) + p[f"{name}.bias"]


def upsample(p: Parameters, name: str, x: Array) -> Array:
    """Nearest neighbour x2, then a 3x3 convolution: [N, H, W, C] -> [N, 2H, 2W, C']."""
    n, h, w, c = x.shape
    twice = jnp.broadcast_to(x[:, :, None, :, None], (n, h, 2, w, 2, c)).reshape(n, 2 * h, 2 * w, c)
    return _biased(p, name, twice)


def space_to_depth(x: Array, fold: int, inverse: bool = False) -> Array:
    """[N, H, W, C] -> [N, H/fold, W/fold, fold*fold*C], or back."""
    if fold == 1:
        return x
    n, h, w, c = x.shape
    if inverse:
        apart = x.reshape(n, h, w, fold, fold, c // fold**2)
        return apart.transpose(0, 1, 3, 2, 4, 5).reshape(n, h * fold, w * fold, c // fold**2)
    apart = x.reshape(n, h // fold, fold, w // fold, fold, c)
    return apart.transpose(0, 1, 3, 2, 4, 5).reshape(n, h // fold, w // fold, fold**2 * c)


def group_norm(p: Parameters, name: str, x: Array, groups: int) -> Array:
    """Normalize each frame's groups of channels, then scale and shift: [N, H, W, C], epsilon 1e-5.

    Sums run over positions first and over a group's channels after, so that the inner loop is long.
    """
    wide = x.astype(jnp.promote_types(x.dtype, jnp.float32))
    mean = _group_mean(wide, groups)
    centred = wide - mean
    scale = lax.rsqrt(_group_mean(jnp.square(centred), groups) + 1e-5)
    normal = centred * (scale * p[f"{name}.weight"]) + p[f"{name}.bias"]
    return normal.astype(x.dtype)


def _group_mean(x: Array, groups: int) -> Array:
    """The mean of each frame's groups, at each channel: [N, H, W, C] -> [N, 1, 1, C]."""
    n, _, _, c = x.shape
    by_group = x.mean(axis=(1, 2)).reshape(n, groups, c // groups).mean(axis=2, keepdims=True)
    return jnp.broadcast_to(by_group, (n, groups, c // groups)).reshape(n, 1, 1, c)


def film(p: Parameters, name: str, embedding: Array, x: Array) -> Array:
    """Scale and shift from the embedding [N, E]: x (1 + scale) + shift, [N, H, W, C]."""
    scale, shift = jnp.split(linear(p, name, embedding)[:, None, None, :], 2, axis=-1)
    return x * (1 + scale) + shift


def stem_share(
    p: Parameters, spec: VideoUNetSpec, conditioning: Array | None, count: int, size: tuple[int, int]
) -> Array | None:
    """The share of the stem's inputs that no step changes: [count, h, w, channels], or [1, ...] for coordinates."""
    share: Array | None = None
    fold, dtype = spec.space_to_depth, p["stem.weight"].dtype
    if spec.conditioning:
        assert conditioning is not None
        frames = conditioning.reshape(count, *size, VIDEO_CHANNELS).astype(dtype)
        share = conv(space_to_depth(frames, fold), p["stem.conditioning"])
    if spec.coordinates:
        ys, xs = (jnp.linspace(-1, 1, n, dtype=dtype) for n in size)
        grid = jnp.stack(jnp.meshgrid(ys, xs, indexing="ij"), axis=-1)[None]
        place = conv(space_to_depth(grid, fold), p["stem.coordinates"])
        share = place if share is None else share + place
    return share


def residual_block(
    p: Parameters,
    spec: VideoUNetSpec,
    block: Block,
    x: Array,
    embedding: Array,
    frames: int,
    text: Array | None,
    text_mask: Array,
    images: Array | None,
) -> Array:
    """Spatial convolutions with FiLM, then spatial attention, then temporal mixing; each a residual.

    [N, H, W, C] -> [N, H, W, C']; embedding [N, E]; text keys and values of this block.
    """
    name = block.name
    h = _biased(p, f"{name}.conv1", jax.nn.silu(group_norm(p, f"{name}.norm1", x, spec.groups)))
    h = film(p, f"{name}.film", embedding, group_norm(p, f"{name}.norm2", h, spec.groups))
    h = _biased(p, f"{name}.conv2", jax.nn.silu(h))
    if block.inputs != block.outputs:
        x = linear(p, f"{name}.skip", x)
    x = x + h
    if block.attention:
        assert text is not None
        x = x + _spatial_attention(p, spec, f"{name}.spatial", x, text, text_mask)
    if block.temporal == "attention":
        x = x + _temporal_attention(p, spec, f"{name}.temporal", x, frames, images)
    elif block.temporal == "convolution":
        x = x + _temporal_convolution(p, spec, f"{name}.temporal", x, frames, images)
    return x


def text_kv(p: Parameters, spec: VideoUNetSpec, block: Block, tokens: Array) -> Array:
    """Keys and values of the text for a block's spatial attention: [N, L, D] -> [N, L, 2, heads, head_dim]."""
    n, length, _ = tokens.shape
    return linear(p, f"{block.name}.spatial.text", tokens).reshape(n, length, 2, -1, spec.head_dim)


def _spatial_attention(p: Parameters, spec: VideoUNetSpec, name: str, x: Array, text: Array, text_mask: Array) -> Array:
    """Positions of a frame attend to one another and to the text tokens (Imagen's keys and values, concatenated)."""
    n, h, w, c = x.shape
    qkv = linear(p, f"{name}.qkv", group_norm(p, f"{name}.norm", x, spec.groups).reshape(n, h * w, c))
    qkv = qkv.reshape(n, h * w, 3, -1, spec.head_dim)
    k, v = (jnp.concatenate([qkv[:, :, 1 + i], text[:, :, i]], axis=1) for i in (0, 1))
    mask = jnp.pad(text_mask, ((0, 0), (0, 0), (0, 0), (h * w, 0)), constant_values=True)
    scores = jnp.einsum("nqhd,nkhd->nhqk", qkv[:, :, 0], k) / math.sqrt(spec.head_dim)
    y = jnp.einsum("nhqk,nkhd->nqhd", jax.nn.softmax(jnp.where(mask, scores, -jnp.inf), axis=-1), v)
    return linear(p, f"{name}.output", y.reshape(n, h, w, c))


def _temporal_attention(
    p: Parameters, spec: VideoUNetSpec, name: str, x: Array, frames: int, images: Array | None
) -> Array:
    """Frames attend to one another at each position; in packs of images each frame sees itself alone."""
    n, h, w, c = x.shape
    qkv = linear(p, f"{name}.qkv", group_norm(p, f"{name}.norm", x, spec.groups))
    q, k, v = jnp.moveaxis(qkv.reshape(n // frames, frames, h * w, 3, -1, spec.head_dim), 3, 0)
    index = jnp.arange(frames)
    distance = jnp.clip(index[None] - index[:, None], -FARTHEST, FARTHEST) + FARTHEST
    bias = jnp.moveaxis(p[f"{name}.distance"][:, distance], 0, -1)[None, :, :, None]
    if images is not None:
        others = images[:, None, None, None, None] & (index[:, None] != index)[None, :, :, None, None]
        bias = jnp.where(others, -jnp.inf, bias)
    scores = jnp.einsum("btphd,bsphd->btsph", q, k) / math.sqrt(spec.head_dim) + bias
    y = jnp.einsum("btsph,bsphd->btphd", jax.nn.softmax(scores, axis=2), v)
    return linear(p, f"{name}.output", y.reshape(n, h, w, c))


def _temporal_convolution(
    p: Parameters, spec: VideoUNetSpec, name: str, x: Array, frames: int, images: Array | None
) -> Array:
    """Convolution of width 3 over frames at each position; bypassed in packs of images."""
    n, h, w, c = x.shape
    lines = jax.nn.silu(group_norm(p, f"{name}.norm", x, spec.groups)).reshape(n // frames, frames, h * w, c)
    y = lax.conv_general_dilated(
        lines, p[f"{name}.weight"], (1, 1), ((1, 1), (0, 0)), dimension_numbers=("NHWC", "HWIO", "NHWC")
    )
    y = y + p[f"{name}.bias"]
    if images is not None:
        y = y * ~images[:, None, None, None]
    return y.reshape(n, h, w, c)
