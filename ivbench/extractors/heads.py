"""What the probes' attribute heads answer: the domain's values and, last, "none"."""

from __future__ import annotations

from ivbench.data.shapes.attributes import BACKGROUNDS, COLOURS, MOTIONS, SHAPES, SIZES, STYLES

__all__ = ["CLIP_HEADS", "FRAME_HEADS", "NONE"]

NONE = "none"

FRAME_HEADS: dict[str, tuple[str, ...]] = {
    "shape": (*SHAPES, NONE),
    "colour": (*COLOURS, NONE),
    "background": (*BACKGROUNDS, NONE),
    "size": (*SIZES, NONE),
    "style": (*STYLES, NONE),
}
"""What a single frame can show."""

CLIP_HEADS: dict[str, tuple[str, ...]] = {**FRAME_HEADS, "motion": (*MOTIONS, NONE)}
"""What a clip can show."""
