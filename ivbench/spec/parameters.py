"""Names and shapes of every parameter of a Video U-Net, without allocating any.

Names are flat and the same in every framework; a convolution's weight is [out, in, height, width] in the file.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from ivbench.spec.layout import Block, layout
from ivbench.spec.video_unet import VideoUNetSpec

__all__ = ["FARTHEST", "FOURIER_DIM", "VIDEO_CHANNELS", "count", "parameters"]

VIDEO_CHANNELS = 3
FOURIER_DIM = 64
"""Width of the sinusoidal embedding of log SNR, augmentation log SNR, guidance weight, jump and frame index."""
FARTHEST = 8
"""Frames farther apart than this share one bias of temporal attention."""

Shapes = Iterator[tuple[str, tuple[int, ...]]]


def parameters(spec: VideoUNetSpec) -> dict[str, tuple[int, ...]]:
    """Shape of every parameter by its flat name, in the order of evaluation."""
    return dict(_parameters(spec))


def count(spec: VideoUNetSpec) -> int:
    """Number of parameters."""
    return sum(math.prod(shape) for shape in parameters(spec).values())


def _parameters(spec: VideoUNetSpec) -> Shapes:
    yield from _embedding(spec)
    fold = spec.space_to_depth**2
    yield from _convolution("stem", VIDEO_CHANNELS * fold, spec.channels)
    if spec.conditioning:
        yield "stem.conditioning", (spec.channels, VIDEO_CHANNELS * fold, 3, 3)
    if spec.coordinates:
        yield "stem.coordinates", (spec.channels, 2 * fold, 3, 3)
    for block in layout(spec):
        if block.kind == "block":
            yield from _block(block, spec)
        else:
            yield from _convolution(block.name, block.inputs, block.outputs)
    yield from _norm("head.norm", spec.channels)
    if spec.head_film:
        yield from _linear("head.film", spec.embedding_dim, 2 * spec.channels)
    yield from _convolution("head", spec.channels, VIDEO_CHANNELS * fold)


def _embedding(spec: VideoUNetSpec) -> Shapes:
    scalars = {
        "logsnr": True,
        "frame": True,
        "augmentation": spec.augmentation,
        "guidance": spec.guidance_embedding,
        "jump": spec.jump_embedding,
    }
    for name, present in scalars.items():
        if present:
            yield from _linear(f"embedding.{name}", FOURIER_DIM, spec.embedding_dim)
    yield from _linear("embedding.text", spec.text_dim, spec.embedding_dim)
    yield from _linear("embedding.hidden", spec.embedding_dim, spec.embedding_dim)
    yield from _linear("embedding.output", spec.embedding_dim, spec.embedding_dim)


def _block(block: Block, spec: VideoUNetSpec) -> Shapes:
    name, width = block.name, block.outputs
    yield from _norm(f"{name}.norm1", block.inputs)
    yield from _convolution(f"{name}.conv1", block.inputs, width)
    yield from _linear(f"{name}.film", spec.embedding_dim, 2 * width)
    yield from _norm(f"{name}.norm2", width)
    yield from _convolution(f"{name}.conv2", width, width)
    if block.inputs != width:
        yield from _linear(f"{name}.skip", block.inputs, width)
    if block.attention:
        yield from _norm(f"{name}.spatial.norm", width)
        yield from _linear(f"{name}.spatial.qkv", width, 3 * width)
        yield from _linear(f"{name}.spatial.text", spec.text_dim, 2 * width)
        yield from _linear(f"{name}.spatial.output", width, width)
    if block.temporal == "attention":
        yield from _norm(f"{name}.temporal.norm", width)
        yield from _linear(f"{name}.temporal.qkv", width, 3 * width)
        yield f"{name}.temporal.distance", (width // spec.head_dim, 2 * FARTHEST + 1)
        yield from _linear(f"{name}.temporal.output", width, width)
    elif block.temporal == "convolution":
        yield from _norm(f"{name}.temporal.norm", width)
        yield f"{name}.temporal.weight", (width, width, 3, 1)
        yield f"{name}.temporal.bias", (width,)


def _linear(name: str, inputs: int, outputs: int) -> Shapes:
    yield f"{name}.weight", (outputs, inputs)
    yield f"{name}.bias", (outputs,)


def _convolution(name: str, inputs: int, outputs: int) -> Shapes:
    yield f"{name}.weight", (outputs, inputs, 3, 3)
    yield f"{name}.bias", (outputs,)


def _norm(name: str, width: int) -> Shapes:
    yield f"{name}.weight", (width,)
    yield f"{name}.bias", (width,)
