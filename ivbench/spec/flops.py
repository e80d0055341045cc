"""FLOPs of one network evaluation of a Video U-Net: matrix products only, 1 MAC = 2 FLOPs."""

from __future__ import annotations

import math

from ivbench.spec.layout import Block, layout
from ivbench.spec.parameters import parameters
from ivbench.spec.video_unet import VideoUNetSpec

__all__ = ["flops"]


def flops(spec: VideoUNetSpec, frames: int, height: int, width: int, text_length: int) -> int:
    """FLOPs of one evaluation of one video.

    What is computed once a stage and not once a step is not counted: the text's keys and values, the conditioning
    video's and the coordinates' share of the stem, the embeddings of text, frame index, augmentation and guidance.

    Args:
        spec: the net.
        frames, height, width: of its output video.
        text_length: tokens a prompt.
    """
    positions = [
        frames * (height // spec.space_to_depth // 2**level) * (width // spec.space_to_depth // 2**level)
        for level in range(len(spec.widths))
    ]
    shapes = parameters(spec)
    macs: int = math.prod(shapes["stem.weight"]) * positions[0] + math.prod(shapes["head.weight"]) * positions[0]
    for block in layout(spec):
        own = {name: shape for name, shape in shapes.items() if name.startswith(block.name + ".") and len(shape) > 1}
        macs += sum(_macs(name, shape, positions[block.level], frames) for name, shape in own.items())
        macs += _attention(block, positions[block.level], frames, text_length)
    embedding = sum(math.prod(shapes[f"embedding.{name}.weight"]) for name in ("hidden", "output"))
    film = math.prod(shapes.get("head.film.weight", (0,)))
    return 2 * (macs + frames * (embedding + film) + math.prod(shapes["embedding.logsnr.weight"]))


def _macs(name: str, shape: tuple[int, ...], positions: int, frames: int) -> int:
    if name.endswith(("spatial.text.weight", "temporal.distance")):
        return 0
    return math.prod(shape) * (frames if name.endswith("film.weight") else positions)


def _attention(block: Block, positions: int, frames: int, text_length: int) -> int:
    """Products of queries with keys, and of weights with values."""
    macs = 0
    if block.attention:
        macs += 2 * positions * (positions // frames + text_length) * block.outputs
    if block.temporal == "attention":
        macs += 2 * positions * frames * block.outputs
    return macs
