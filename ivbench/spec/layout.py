"""The order of a Video U-Net's blocks: the one list that parameters, FLOPs and every framework's net are made from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from ivbench.spec.video_unet import Temporal, VideoUNetSpec

__all__ = ["Block", "layout"]


@dataclass(frozen=True)
class Block:
    """One step of the net.

    Attributes:
        name: prefix of its parameters.
        kind: block; down (halves height and width); up (doubles them).
        level: resolution that it computes at: 0 = the stem's.
        inputs, outputs: channels; `inputs` counts the skip connection of a block on the way up.
        skip: "save" its output for the way up, "load" one before it runs, or neither.
    """

    name: str
    kind: Literal["block", "down", "up"]
    level: int
    inputs: int
    outputs: int
    attention: bool = False
    temporal: Temporal = "none"
    skip: Literal["save", "load", ""] = ""


def layout(spec: VideoUNetSpec) -> tuple[Block, ...]:
    """All blocks in the order of evaluation."""
    return (*_down(spec), *_middle(spec), *_up(spec))


def _down(spec: VideoUNetSpec) -> Iterator[Block]:
    width = spec.channels
    for level, target in enumerate(spec.widths):
        mixing = {"attention": spec.spatial_attention[level], "temporal": spec.temporal[level]}
        if level:
            yield Block(f"down.{level}.downsample", "down", level, width, target)
            width = target
        for index in range(spec.blocks[level]):
            yield Block(f"down.{level}.{index}", "block", level, width, target, **mixing, skip="save")  # type: ignore[arg-type]
            width = target


def _middle(spec: VideoUNetSpec) -> Iterator[Block]:
    level, width = len(spec.widths) - 1, spec.widths[-1]
    for index in range(spec.middle):
        yield Block(
            f"middle.{index}", "block", level, width, width, spec.spatial_attention[level], spec.temporal[level]
        )


def _up(spec: VideoUNetSpec) -> Iterator[Block]:
    width = spec.widths[-1]
    for level in reversed(range(len(spec.widths))):
        target = spec.widths[level]
        if level < len(spec.widths) - 1:
            yield Block(f"up.{level}.upsample", "up", level, width, target)
            width = target
        for index in range(spec.blocks[level]):
            yield Block(
                f"up.{level}.{index}",
                "block",
                level,
                width + target,
                target,
                spec.spatial_attention[level],
                spec.temporal[level],
                "load",
            )
            width = target
