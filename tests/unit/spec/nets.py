"""A minimal net, and the stages of a small cascade made with it."""

from __future__ import annotations

from typing import Any

MINIMAL = {
    "channels": 8,
    "multipliers": (1,),
    "blocks": (1,),
    "spatial_attention": (False,),
    "temporal": ("none",),
    "head_dim": 8,
    "text_dim": 4,
    "embedding_dim": 16,
    "middle": 0,
}
"""One level, two blocks (down and up), nothing but convolutions."""


def unet(**changes: Any) -> dict[str, Any]:
    return {**MINIMAL, **changes}


def stage(name: str, frames: int, height: int, width: int, **changes: Any) -> dict[str, Any]:
    """A stage whose kind is its name without the number."""
    kind = name.rstrip("0123456789")
    net = unet(conditioning=kind != "base")
    return {
        "name": name,
        "kind": kind,
        "frames": frames,
        "height": height,
        "width": width,
        "fps": 3,
        "unet": net,
        **changes,
    }


def cascade(*stages: dict[str, Any]) -> dict[str, Any]:
    return {"name": "tiny", "text": {"encoder": "t5-tiny", "dim": 4, "length": 6}, "stages": stages}
