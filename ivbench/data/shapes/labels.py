"""The attributes' values by number, for whoever judges clips by numbers."""

from __future__ import annotations

from functools import cache

from ivbench.data.shapes.attributes import (
    BACKGROUNDS,
    COLOURS,
    MOTIONS,
    SHAPES,
    SIZES,
    STYLES,
    Attributes,
    combinations,
)
from ivbench.data.shapes.captions import caption

__all__ = ["VOCABULARY", "attributes_of"]

VOCABULARY: dict[str, tuple[str, ...]] = {
    "shape": SHAPES,
    "colour": tuple(COLOURS),
    "background": tuple(BACKGROUNDS),
    "motion": MOTIONS,
    "size": SIZES,
    "style": STYLES,
}
"""Attribute -> its values; the order is that of the judge's attributes."""


@cache
def _by_caption() -> dict[str, Attributes]:
    styled = (
        Attributes(row.shape, row.colour, row.background, row.motion, row.size, style)
        for row in combinations("all")
        for style in STYLES
    )
    return {caption(row): row for row in styled}


def attributes_of(text: str) -> Attributes | None:
    """What a canonical caption of the domain asks for, of any style; None for another text."""
    return _by_caption().get(text)
