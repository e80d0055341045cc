"""Sweeps: a metric along one axis of the grid, a line for each combination of the other settings.

Lines differ by mark, dash and letter, and the numbers stand below them in a table: a row a line, a column a value.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass
from typing import Any

from ivbench.report.claims import Metric, metrics, score_of
from ivbench.report.formats import bounds, decimals, number, setting, words
from ivbench.report.labels import dodge
from ivbench.report.svg import (
    HEIGHT,
    POINT,
    SHAPES,
    WIDTH,
    Scale,
    draw,
    field,
    labels,
    layer,
    require_libraries,
    value_scale,
)
from ivbench.results.schema import Cell, Results, Score

__all__ = ["Sweep", "SweepRow", "sweeps"]

_FEWEST, _LINES = 3, 6
_EXTENT = 40
_DASHES = ([1, 0], [6, 3], [2, 2], [8, 3, 2, 3], [12, 4], [4, 2, 1, 2, 1, 2])
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
Scalar = str | int | float | bool | None


@dataclass(frozen=True)
class SweepRow:
    """One line's numbers: its letter, what its cells share, and (value, interval) at each place; empty where none."""

    letter: str
    label: str
    entries: list[tuple[str, str]]


@dataclass(frozen=True)
class Sweep:
    """A chart of one metric along one axis, and its numbers.

    Attributes:
        title, direction: the metric, and which way is better.
        axis: what varies.
        part: which of several charts this is, where one has no room for all lines; else empty.
        places: the axis' values as text.
        svg: the drawing.
        rows: a line's numbers each.
    """

    title: str
    direction: str
    axis: str
    part: str
    places: list[str]
    svg: str
    rows: list[SweepRow]


@dataclass(frozen=True)
class _Axis:
    """An axis with at least three places.

    Attributes:
        key: of the cells' settings.
        values: sorted.
        lines: what the cells of a line share -> its cells by value.
    """

    key: str
    values: list[Scalar]
    lines: dict[str, dict[Scalar, Cell]]

    @property
    def numbers(self) -> list[float] | None:
        """The values where all of them are plain numbers, so that they have distances; else they are equally far."""
        found = [_plain_number(value) for value in self.values]
        numbers = [value for value in found if value is not None]
        return numbers if len(numbers) == len(found) else None


def sweeps(results: Results) -> list[Sweep]:
    """A chart for every metric and every axis of the grid that has at least three values.

    Args:
        results: the whole file.

    Raises:
        MissingDependencyError: vl-convert is not installed.
    """
    require_libraries()
    found = []
    for axis in _axes(results.cells):
        for metric in metrics(results):
            names = [name for name, cells in axis.lines.items() if len(_scores(cells, metric)) > 1]
            for start in range(0, len(names), _LINES):
                part = f"{start // _LINES + 1} of {-(-len(names) // _LINES)}" if len(names) > _LINES else ""
                found.append(_sweep(axis, metric, names[start : start + _LINES], part))
    return found


def _axes(cells: list[Cell]) -> list[_Axis]:
    keys = list(dict.fromkeys(key for cell in cells for key in cell.settings))
    found = [_axis(key, keys, cells) for key in keys]
    return [axis for axis in found if axis is not None]


def _axis(key: str, keys: list[str], cells: list[Cell]) -> _Axis | None:
    heads = Counter(head for cell in cells if (head := _head(cell.settings.get(key))) is not None)
    if not heads:
        return None
    head = heads.most_common(1)[0][0]
    own = [cell for cell in cells if _head(cell.settings.get(key)) == head]
    others = [other for other in keys if other != key and len({cell.settings.get(other) for cell in own}) > 1]
    lines: dict[str, dict[Scalar, Cell]] = {}
    for cell in own:
        name = ", ".join(filter(None, (_named(other, cell.settings.get(other)) for other in others))) or "all"
        lines.setdefault(name, {}).setdefault(cell.settings.get(key), cell)
    lines = {name: line for name, line in lines.items() if len(line) >= _FEWEST}
    values = sorted({value for line in lines.values() for value in line}, key=_order)
    return _Axis(key, values, lines) if values else None


def _named(key: str, value: Scalar) -> str:
    if value is None:
        return ""
    return setting(value) if isinstance(value, str) and re.search("[a-z]", value) else f"{words(key)} {setting(value)}"


def _head(value: Scalar) -> str | None:
    """What stands before a setting's first number, which values along one axis share: `w=3` -> `w=`; None: no number.

    No augmentation is the end of the axis of its SNR.
    """
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, int | float) or value == "none":
        return ""
    match = re.match(r"([^\d]*)\d", value)
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


def _scores(line: dict[Scalar, Cell], metric: Metric) -> dict[Scalar, Score]:
    found = {value: score_of(cell.scores, metric) for value, cell in line.items()}
    return {value: score for value, score in found.items() if score is not None}


def _sweep(axis: _Axis, metric: Metric, names: list[str], part: str) -> Sweep:
    lines = [_scores(axis.lines[name], metric) for name in names]
    digits = decimals(score.value for line in lines for score in line.values())
    rows = [
        SweepRow(_LETTERS[place] if len(names) > 1 else "", name, [_entry(line.get(v), digits) for v in axis.values])
        for place, (name, line) in enumerate(zip(names, lines, strict=True))
    ]
    title = "guidance weight w" if axis.key == "guidance" else words(axis.key)
    direction = f"{'higher' if metric.higher_is_better else 'lower'} is better"
    places = [setting(value).removeprefix("w=") for value in axis.values]
    description = f"{metric.label} along {title} at {', '.join(places)}. The numbers stand in the table below it."
    svg = draw(_layers(axis, metric, lines, places, title), f"{metric.label} along {title}, {direction}", description)
    return Sweep(metric.label, direction, title, part, places, svg, rows)


def _entry(score: Score | None, digits: int) -> tuple[str, str]:
    if score is None:
        return "", ""
    ends = "" if score.interval is None else bounds(score.interval.low, score.interval.high, digits)
    return number(score.value, digits), ends


def _layers(
    axis: _Axis, metric: Metric, lines: list[dict[Scalar, Score]], places: list[str], title: str
) -> list[dict[str, Any]]:
    ends = [end for line in lines for score in line.values() for end in (*_ends(score), score.value)]
    up = value_scale(ends, HEIGHT, may_be_log=not metric.higher_is_better)
    xs, across = _across(axis)
    named = _named_places(list(xs.values()), places)
    x = field("x", across, title, values=list(xs.values()), labelExpr=named, labelOverlap="greedy")
    y = field("y", up, minExtent=_EXTENT, maxExtent=_EXTENT)
    layers = []
    for place, line in enumerate(lines):
        rows = [
            {"x": xs[value], "y": line[value].value, "low": _ends(line[value])[0], "high": _ends(line[value])[1]}
            for value in axis.values
            if value in line
        ]
        interval = {"x": x, "y": field("low", up), "y2": {"field": "high"}}
        layers.append(layer(rows, "rule", interval, color=POINT, strokeWidth=1))
        layers.append(layer(rows, "line", {"x": x, "y": y}, color=POINT, strokeWidth=1.5, strokeDash=_DASHES[place]))
        marks = {"shape": SHAPES[place], "filled": True, "size": 64, "color": POINT, "opacity": 1}
        layers.append(layer(rows, "point", {"x": x, "y": y}, **marks))
    return layers + (_letters(axis, lines, xs, across, up, x, y) if len(lines) > 1 else [])


def _named_places(values: list[float], places: list[str]) -> str:
    """A Vega expression: the name of a mark on the axis, by its value."""
    pairs = zip(values, places, strict=True)
    chain = " : ".join(f"abs(datum.value - {value!r}) < 1e-9 ? {json.dumps(place)}" for value, place in pairs)
    return f"{chain} : ''"


def _across(axis: _Axis) -> tuple[dict[Scalar, float], Scale]:
    """Where each value lies: by its size where it has one, else equally far."""
    numbers = axis.numbers or [float(place) for place in range(len(axis.values))]
    scale = value_scale(numbers, WIDTH, may_be_log=axis.numbers is not None and axis.key != "guidance", room=0.06)
    return dict(zip(axis.values, numbers, strict=True)), scale


def _letters(
    axis: _Axis,
    lines: list[dict[Scalar, Score]],
    xs: dict[Scalar, float],
    across: Scale,
    up: Scale,
    x: dict[str, Any],
    y: dict[str, Any],
) -> list[dict[str, Any]]:
    """Each line's letter beside its last point."""
    lasts = [[value for value in axis.values if value in line][-1] for line in lines]
    heights = [HEIGHT - up.place(line[last].value) for line, last in zip(lines, lasts, strict=True)]
    rows = [
        {"x": across.value(across.place(xs[last]) + 9), "y": up.value(HEIGHT - height), "label": _LETTERS[place]}
        for place, (last, height) in enumerate(zip(lasts, dodge(heights, HEIGHT), strict=True))
    ]
    return [labels(rows, x, y, align="left", fontSize=12, fontWeight="bold")]


def _ends(score: Score) -> tuple[float, float]:
    return (score.value, score.value) if score.interval is None else (score.interval.low, score.interval.high)
