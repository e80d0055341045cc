"""Where a chart's labels go: beside their points, over no other point and no other label; else nowhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

__all__ = ["Box", "Label", "dodge", "place"]

_CHARACTER, _LINE, _AIR = 6.4, 12.0, 4.0
_RADIUS = 5.5
_NEAR = (8.0, 15.0)


@dataclass(frozen=True)
class Box:
    """A rectangle in pixels, y downwards."""

    left: float
    top: float
    right: float
    bottom: float

    def meets(self, other: Box) -> bool:
        """Whether the two share any area."""
        across = self.left < other.right and other.left < self.right
        return across and self.top < other.bottom and other.top < self.bottom

    def inside(self, other: Box) -> bool:
        """Whether no part of it lies outside the other."""
        across = other.left <= self.left and self.right <= other.right
        return across and other.top <= self.top and self.bottom <= other.bottom


@dataclass(frozen=True)
class Label:
    """A placed label.

    Attributes:
        index: of its point.
        x, y: its anchor in pixels.
        align: what the anchor is of the text: left, center or right.
    """

    index: int
    x: float
    y: float
    align: str


def place(
    points: Sequence[tuple[float, float]],
    texts: Sequence[str],
    order: Sequence[int],
    panel: Box,
    taken: Sequence[Box] = (),
    lines: Sequence[Box] = (),
    gaps: Sequence[float] = _NEAR,
) -> list[Label]:
    """Place the labels that have room.

    Args:
        points: in pixels.
        texts: of every point.
        order: indices of the points, the most important first.
        panel: that labels stay inside.
        taken: areas to keep free, such as error bars.
        lines: areas that a label lies over only where it would have no room else.
        gaps: pixels between a point and its label, tried in turn.

    Returns:
        The placed ones; a label without room is left out.
    """
    busy = [*taken, *(Box(x - _RADIUS, y - _RADIUS, x + _RADIUS, y + _RADIUS) for x, y in points)]
    placed = []
    for index in order:
        places = _places(index, points[index], texts[index], gaps)
        free = [one for one in places if one[1].inside(panel) and not _meets(one[1], busy)]
        clear = (one for one in free if not _meets(one[1], lines))
        for found, box in [next(clear, free[0])] if free else []:
            placed.append(found)
            busy.append(box)
    return placed


def _meets(box: Box, others: Sequence[Box]) -> bool:
    return any(box.meets(other) for other in others)


def _places(index: int, point: tuple[float, float], text: str, gaps: Sequence[float]) -> list[tuple[Label, Box]]:
    """Beside the point, above, below, and at its corners, near and then further off."""
    (x, y), width = point, _CHARACTER * len(text) + _AIR
    found = []
    for gap in gaps:
        for across, down in ((1, 0), (-1, 0), (0, -1), (0, 1), (1, -1), (1, 1), (-1, -1), (-1, 1)):
            at, height = x + gap * across, y + (gap + 3.0) * down
            left = at if across > 0 else at - width if across < 0 else at - width / 2
            align = "left" if across > 0 else "right" if across < 0 else "center"
            box = Box(left, height - _LINE / 2, left + width, height + _LINE / 2)
            found.append((Label(index, at, height, align), box))
    return found


def dodge(heights: Sequence[float], bottom: float) -> list[float]:
    """Heights moved apart to a line's distance each, in their order, none below the bottom.

    Args:
        heights: in pixels, y downwards.
        bottom: the greatest allowed.
    """
    order = sorted(range(len(heights)), key=lambda index: heights[index])
    moved = list(heights)
    for before, after in pairwise(order):
        moved[after] = max(moved[after], moved[before] + _LINE)
    limit = bottom
    for index in reversed(order):
        moved[index] = min(moved[index], limit)
        limit = moved[index] - _LINE
    return moved
