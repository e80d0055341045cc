"""What the probes' attribute heads answer: the domain's values and, last, "none"."""

from __future__ import annotations

from ivbench.data.shapes.labels import VOCABULARY

__all__ = ["CLIP_HEADS", "FRAME_HEADS", "NONE"]

NONE = "none"

FRAME_HEADS: dict[str, tuple[str, ...]] = {
    name: (*VOCABULARY[name], NONE) for name in ("shape", "colour", "background", "size", "style")
}
"""What a single frame can show."""

CLIP_HEADS: dict[str, tuple[str, ...]] = {**FRAME_HEADS, "motion": (*VOCABULARY["motion"], NONE)}
"""What a clip can show."""
