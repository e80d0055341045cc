"""Axes of the grid: what varies along them, a line of cells for each combination of the other settings."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import TypeVar

from ivbench.report.formats import setting, words
from ivbench.report.svg import DASHES
from ivbench.results.schema import Cell, Score

__all__ = [
    "FEWEST",
    "GUIDANCE",
    "Axis",
    "Scalar",
    "axes",
    "axis",
    "ends",
    "line_of",
    "oscillates",
    "parts",
    "place_name",
]

FEWEST = 3
"""Values that make an axis."""
GUIDANCE = "guidance"
_OSCILLATION = "osc("
_Line = TypeVar("_Line")
Scalar = str | int | float | bool | None


@dataclass(frozen=True)
class Axis:
    """An axis with at least three places.

    Attributes:
        key: of the cells' settings.
        values: sorted.
        others: keys of the settings that tell its lines apart.
        lines: what the cells of a line share -> its cells by value.
    """

    key: str
    values: list[Scalar]
    others: list[str]
    lines: dict[str, dict[Scalar, Cell]]

    @property
    def title(self) -> str:
        """As readers want it."""
        return "guidance weight w" if self.key == GUIDANCE else words(self.key)

    @property
    def numbers(self) -> list[float] | None:
        """The values where all of them are plain numbers, so that they have distances; else they are equally far."""
        found = [_plain_number(value) for value in self.values]
        numbers = [value for value in found if value is not None]
        return numbers if len(numbers) == len(found) else None


def axes(cells: list[Cell]) -> list[Axis]:
    """Every axis of a grid that has at least three values."""
    keys = list(dict.fromkeys(key for cell in cells for key in cell.settings))
    found = [axis(key, cells) for key in keys]
    return [one for one in found if one is not None]


def axis(key: str, cells: list[Cell], beside: list[Cell] | None = None) -> Axis | None:
    """The axis of one setting; None where it has fewer than three values.

    Args:
        key: of the setting.
        cells: those whose values are of the most frequent kind lie on the axis.
        beside: cells that lie on no axis but have the other settings of a line, `line_of` says which.
    """
    heads = Counter(head for cell in cells if (head := _head(cell.settings.get(key))) is not None)
    if not heads:
        return None
    head = heads.most_common(1)[0][0]
    own = [cell for cell in cells if _head(cell.settings.get(key)) == head]
    others = _differing([*own, *(beside or [])], key)
    lines: dict[str, dict[Scalar, Cell]] = {}
    for cell in own:
        lines.setdefault(line_of(cell, others), {}).setdefault(cell.settings.get(key), cell)
    lines = {name: line for name, line in lines.items() if len(line) >= FEWEST}
    values = sorted({value for line in lines.values() for value in line}, key=_order)
    return Axis(key, values, others, lines) if values else None


def line_of(cell: Cell, others: list[str]) -> str:
    """The name of a cell's line: its other settings, `all` where there are none."""
    return ", ".join(filter(None, (_named(key, cell.settings.get(key)) for key in others))) or "all"


def oscillates(cell: Cell) -> bool:
    """Whether the guidance of any of a cell's stages oscillates: it has no weight w then."""
    return _OSCILLATION in str(cell.settings.get(GUIDANCE))


def place_name(value: Scalar) -> str:
    """A value on its axis: `w=3` is 3 there."""
    return setting(value).removeprefix("w=")


def parts(lines: list[_Line]) -> list[tuple[str, list[_Line]]]:
    """Lines by chart, at most as many as there are dashes; and which of several charts it is: `2 of 3`, else empty."""
    room = len(DASHES)
    several = len(lines) > room
    return [
        (f"{start // room + 1} of {-(-len(lines) // room)}" if several else "", lines[start : start + room])
        for start in range(0, len(lines), room)
    ]


def ends(score: Score) -> tuple[float, float]:
    """Of a score's interval; its value twice where it has none."""
    return (score.value, score.value) if score.interval is None else (score.interval.low, score.interval.high)


def _differing(cells: list[Cell], key: str) -> list[str]:
    keys = dict.fromkeys(other for cell in cells for other in cell.settings if other != key)
    return [other for other in keys if len({cell.settings.get(other) for cell in cells}) > 1]


def _named(key: str, value: Scalar) -> str:
    if value is None:
        return ""
    return setting(value) if isinstance(value, str) and re.search("[a-z]", value) else f"{words(key)} {setting(value)}"


def _head(value: Scalar) -> str | None:
    """What stands before a setting's first number, which values along one axis share: `w=3` -> `w=`; None: no number.

    An oscillation is no weight, in whichever stage: `w=6/osc(15,1)` -> `w=6/osc(`. No augmentation is the end of the
    axis of its SNR.
    """
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, int | float) or value == "none":
        return ""
    match = re.match(rf"(.*?{re.escape(_OSCILLATION)}|[^\d]*)\d", value)
    return match[1] if match else None


def _order(value: Scalar) -> tuple[float, ...]:
    if value == "none":
        return (float("inf"),)
    return tuple(float(part) for part in re.findall(r"\d+(?:\.\d+)?", str(value)))


def _plain_number(value: Scalar) -> float | None:
    if isinstance(value, int | float):
        return float(value)
    match = re.fullmatch(r"\D*(\d+(?:\.\d+)?)\)?", value or "")
    return float(match[1]) if match else None
