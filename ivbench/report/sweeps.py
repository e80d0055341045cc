"""Sweeps: a metric along one axis of the grid, a line for each combination of the other settings.

Lines differ by mark, dash and letter, and the numbers stand below them in a table: a row a line, a column a value.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from ivbench.report.axes import GUIDANCE, Axis, Scalar, axes, ends, parts, place_name
from ivbench.report.claims import Metric, metrics, score_of
from ivbench.report.formats import decimals, interval, number
from ivbench.report.labels import dodge
from ivbench.report.svg import (
    DASHES,
    EXTENT,
    HEIGHT,
    LETTERS,
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


def sweeps(results: Results) -> list[Sweep]:
    """A chart for every metric and every axis of the grid that has at least three values.

    Args:
        results: the whole file.

    Raises:
        MissingDependencyError: vl-convert is not installed.
    """
    require_libraries()
    found = []
    for axis in axes(results.cells):
        for metric in metrics(results):
            names = [name for name, cells in axis.lines.items() if len(_scores(cells, metric)) > 1]
            found += [_sweep(axis, metric, own, part) for part, own in parts(names)]
    return found


def _scores(line: dict[Scalar, Cell], metric: Metric) -> dict[Scalar, Score]:
    found = {value: score_of(cell.scores, metric) for value, cell in line.items()}
    return {value: score for value, score in found.items() if score is not None}


def _sweep(axis: Axis, metric: Metric, names: list[str], part: str) -> Sweep:
    lines = [_scores(axis.lines[name], metric) for name in names]
    digits = decimals(score.value for line in lines for score in line.values())
    rows = [
        SweepRow(LETTERS[place] if len(names) > 1 else "", name, [_entry(line.get(v), digits) for v in axis.values])
        for place, (name, line) in enumerate(zip(names, lines, strict=True))
    ]
    direction = f"{'higher' if metric.higher_is_better else 'lower'} is better"
    places = [place_name(value) for value in axis.values]
    description = f"{metric.label} along {axis.title} at {', '.join(places)}. The numbers stand in the table below it."
    svg = draw(_layers(axis, metric, lines, places), f"{metric.label} along {axis.title}, {direction}", description)
    return Sweep(metric.label, direction, axis.title, part, places, svg, rows)


def _entry(score: Score | None, digits: int) -> tuple[str, str]:
    if score is None:
        return "", ""
    return number(score.value, digits), interval(score.interval, digits)


def _layers(axis: Axis, metric: Metric, lines: list[dict[Scalar, Score]], places: list[str]) -> list[dict[str, Any]]:
    values = [end for line in lines for score in line.values() for end in (*ends(score), score.value)]
    up = value_scale(values, HEIGHT, may_be_log=not metric.higher_is_better)
    xs, across = _across(axis)
    named = _named_places(list(xs.values()), places)
    x = field("x", across, axis.title, values=list(xs.values()), labelExpr=named, labelOverlap="greedy")
    y = field("y", up, minExtent=EXTENT, maxExtent=EXTENT)
    layers = []
    for place, line in enumerate(lines):
        rows = [
            {"x": xs[value], "y": line[value].value, "low": ends(line[value])[0], "high": ends(line[value])[1]}
            for value in axis.values
            if value in line
        ]
        spread = {"x": x, "y": field("low", up), "y2": {"field": "high"}}
        layers.append(layer(rows, "rule", spread, color=POINT, strokeWidth=1))
        layers.append(layer(rows, "line", {"x": x, "y": y}, color=POINT, strokeWidth=1.5, strokeDash=DASHES[place]))
        marks = {"shape": SHAPES[place], "filled": True, "size": 64, "color": POINT, "opacity": 1}
        layers.append(layer(rows, "point", {"x": x, "y": y}, **marks))
    return layers + (_letters(axis, lines, xs, across, up, x, y) if len(lines) > 1 else [])


def _named_places(values: list[float], places: list[str]) -> str:
    """A Vega expression: the name of a mark on the axis, by its value."""
    pairs = zip(values, places, strict=True)
    chain = " : ".join(f"abs(datum.value - {value!r}) < 1e-9 ? {json.dumps(place)}" for value, place in pairs)
    return f"{chain} : ''"


def _across(axis: Axis) -> tuple[dict[Scalar, float], Scale]:
    """Where each value lies: by its size where it has one, else equally far."""
    numbers = axis.numbers or [float(place) for place in range(len(axis.values))]
    scale = value_scale(numbers, WIDTH, may_be_log=axis.numbers is not None and axis.key != GUIDANCE, room=0.06)
    return dict(zip(axis.values, numbers, strict=True)), scale


def _letters(
    axis: Axis,
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
        {"x": across.value(across.place(xs[last]) + 9), "y": up.value(HEIGHT - height), "label": LETTERS[place]}
        for place, (last, height) in enumerate(zip(lasts, dodge(heights, HEIGHT), strict=True))
    ]
    return [labels(rows, x, y, align="left", fontSize=12, fontWeight="bold")]
