"""Fidelity against alignment: FVD and frame FID over the CLIP score, along the guidance weight.

As Saharia et al. 2022 (2205.11487, figure 4) draw FID. A line joins the cells of one combination of the other settings
in order of w; oscillating guidance has no w, so its cells are single hollow marks. Lines differ by mark, dash and
letter, and the numbers stand below them in a table.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from ivbench.report.axes import FEWEST, GUIDANCE, Axis, axis, ends, line_of, oscillates, parts, place_name
from ivbench.report.claims import Metric, metrics, score_of
from ivbench.report.formats import decimals, interval, number
from ivbench.report.labels import Box, place
from ivbench.report.svg import (
    DASHES,
    EXTENT,
    HEIGHT,
    LETTERS,
    PAPER,
    POINT,
    SHAPES,
    WIDTH,
    Scale,
    draw,
    field,
    layer,
    placed_labels,
    require_libraries,
    value_scale,
)
from ivbench.results.schema import Cell, Results, Score

__all__ = ["FidelityChart", "FidelityLine", "FidelityRow", "fidelity_charts"]

_ALIGNMENT, _FIDELITY = "clip_score", ("fvd", "frame_fid")
_GAPS = (8.0, 15.0, 24.0)
_STEP = 6.0
"""Pixels between the points of a line that labels keep off."""


@dataclass(frozen=True)
class FidelityRow:
    """The numbers of one point: its guidance, and value and interval of both metrics."""

    guidance: str
    x: str
    x_interval: str
    y: str
    y_interval: str


@dataclass(frozen=True)
class FidelityLine:
    """One line's numbers: its letter, what its cells share, its points in order of w, then the single ones."""

    letter: str
    label: str
    rows: list[FidelityRow]


@dataclass(frozen=True)
class FidelityChart:
    """A chart of one metric over another, and its numbers.

    Attributes:
        x, y: the metrics.
        direction: where it is better.
        protocols: of both metrics, where the file has another pair under the same names; else empty.
        part: which of several charts this is, where one has no room for all lines; else empty.
        svg: the drawing.
        lines: a line's numbers each.
    """

    x: str
    y: str
    direction: str
    protocols: str
    part: str
    svg: str
    lines: list[FidelityLine]

    @property
    def title(self) -> str:
        """What is drawn, in words."""
        return f"{self.y} against {self.x}{', ' if self.part else ''}{self.part}"


@dataclass(frozen=True)
class _Point:
    """A cell that has both scores, and its guidance as text."""

    guidance: str
    x: Score
    y: Score


@dataclass(frozen=True)
class _Line:
    """What a line's cells share, its points in order of w, and the cells of oscillating guidance with its settings."""

    label: str
    points: list[_Point]
    singles: list[_Point]

    @property
    def all(self) -> list[_Point]:
        return [*self.points, *self.singles]


def fidelity_charts(results: Results) -> list[FidelityChart]:
    """FVD, and frame FID, over the CLIP score: a chart for each pair of protocols.

    Args:
        results: the whole file. A line has at least three guidance weights at which both scores decide; without one
            there is no chart.

    Raises:
        MissingDependencyError: vl-convert is not installed.
    """
    require_libraries()
    beside = [cell for cell in results.cells if oscillates(cell)]
    weights = axis(GUIDANCE, [cell for cell in results.cells if not oscillates(cell)], beside)
    if weights is None:
        return []
    pairs = _pairs(metrics(results))
    drawn = [(x, y, lines) for x, y in pairs if (lines := _lines(weights, beside, x, y))]
    names = Counter((x.label, y.label) for x, y, _ in drawn)
    return [_chart(x, y, part, own, names[x.label, y.label] > 1) for x, y, lines in drawn for part, own in parts(lines)]


def _pairs(found: list[Metric]) -> list[tuple[Metric, Metric]]:
    return [(x, y) for name in _FIDELITY for x in found if x.name == _ALIGNMENT for y in found if y.name == name]


def _lines(weights: Axis, beside: list[Cell], x: Metric, y: Metric) -> list[_Line]:
    lines = []
    for label, cells in weights.lines.items():
        points = _points((cells[w] for w in weights.values if w in cells), x, y)
        singles = _points((cell for cell in beside if line_of(cell, weights.others) == label), x, y)
        if len(points) >= FEWEST:
            lines.append(_Line(label, points, singles))
    return lines


def _points(cells: Iterable[Cell], x: Metric, y: Metric) -> list[_Point]:
    found = [(cell, score_of(cell.scores, x), score_of(cell.scores, y)) for cell in cells]
    return [
        _Point(place_name(cell.settings[GUIDANCE]), a, b)
        for cell, a, b in found
        if a and b and a.decisive and b.decisive
    ]


def _chart(x: Metric, y: Metric, part: str, lines: list[_Line], several: bool) -> FidelityChart:
    direction = f"{'right' if x.higher_is_better else 'left'} and {'up' if y.higher_is_better else 'down'} is better"
    description = (
        f"{y.label} against {x.label}. {'. '.join(_told(line) for line in lines)}. Thin crosses are intervals. "
        "The numbers stand in the table below it."
    )
    svg = draw(_layers(x, y, lines), f"{y.label} against {x.label} along the guidance weight, {direction}", description)
    protocols = f"{y.protocol} against {x.protocol}" if several else ""
    return FidelityChart(x.label, y.label, direction, protocols, part, svg, _tables(lines))


def _told(line: _Line) -> str:
    singles = f"; single points {', '.join(point.guidance for point in line.singles)}" if line.singles else ""
    return f"{line.label}: a line along w = {', '.join(point.guidance for point in line.points)}{singles}"


def _tables(lines: list[_Line]) -> list[FidelityLine]:
    x_digits = decimals(point.x.value for line in lines for point in line.all)
    y_digits = decimals(point.y.value for line in lines for point in line.all)
    return [
        FidelityLine(letter, line.label, [_row(point, x_digits, y_digits) for point in line.all])
        for letter, line in zip(_letters(lines), lines, strict=True)
    ]


def _letters(lines: list[_Line]) -> list[str]:
    return [LETTERS[index] if len(lines) > 1 else "" for index in range(len(lines))]


def _row(point: _Point, x_digits: int, y_digits: int) -> FidelityRow:
    return FidelityRow(
        point.guidance,
        number(point.x.value, x_digits),
        interval(point.x.interval, x_digits),
        number(point.y.value, y_digits),
        interval(point.y.interval, y_digits),
    )


def _layers(x_metric: Metric, y_metric: Metric, lines: list[_Line]) -> list[dict[str, Any]]:
    across = _scale([point.x for line in lines for point in line.all], x_metric, WIDTH)
    up = _scale([point.y for line in lines for point in line.all], y_metric, HEIGHT)
    x, y = field("x", across, x_metric.label), field("y", up, y_metric.label, minExtent=EXTENT, maxExtent=EXTENT)
    layers = []
    for index, line in enumerate(lines):
        layers += _crosses(line, x, y)
        order = {"field": "order", "type": "quantitative"}
        path = {"color": POINT, "strokeWidth": 1.5, "strokeDash": DASHES[index]}
        layers.append(layer(_rows(line.points), "line", {"x": x, "y": y, "order": order}, **path))
        marks = {"shape": SHAPES[index], "size": 64, "opacity": 1}
        layers.append(layer(_rows(line.points), "point", {"x": x, "y": y}, filled=True, color=POINT, **marks))
        hollow = {"fill": PAPER, "stroke": POINT, "strokeWidth": 1.5, **marks}
        layers.append(layer(_rows(line.singles), "point", {"x": x, "y": y}, **hollow))
    return layers + _texts(lines, across, up, x, y)


def _scale(scores: list[Score], metric: Metric, pixels: float) -> Scale:
    values = [end for score in scores for end in (*ends(score), score.value)]
    return value_scale(values, pixels, may_be_log=not metric.higher_is_better)


def _rows(points: list[_Point]) -> list[dict[str, Any]]:
    return [{"x": point.x.value, "y": point.y.value, "order": order} for order, point in enumerate(points)]


def _crosses(line: _Line, x: dict[str, Any], y: dict[str, Any]) -> list[dict[str, Any]]:
    """The intervals of both metrics, of those scores that have one."""
    flat = [
        {"low": point.x.interval.low, "high": point.x.interval.high, "y": point.y.value}
        for point in line.all
        if point.x.interval is not None
    ]
    upright = [
        {"low": point.y.interval.low, "high": point.y.interval.high, "x": point.x.value}
        for point in line.all
        if point.y.interval is not None
    ]
    found = [
        (flat, {"x": {**x, "field": "low"}, "x2": {"field": "high"}, "y": y}),
        (upright, {"x": x, "y": {**y, "field": "low"}, "y2": {"field": "high"}}),
    ]
    return [layer(rows, "rule", encoding, color=POINT, strokeWidth=0.75) for rows, encoding in found if rows]


def _texts(lines: list[_Line], across: Scale, up: Scale, x: dict[str, Any], y: dict[str, Any]) -> list[dict[str, Any]]:
    """Each point's letter and guidance beside it; a line's ends and the single points have the first choice."""
    lettered = zip(_letters(lines), lines, strict=True)
    texts = [f"{letter} {point.guidance}".lstrip() for letter, line in lettered for point in line.all]
    inner = [0 < index < len(line.points) - 1 for line in lines for index in range(len(line.all))]
    order = sorted(range(len(texts)), key=inner.__getitem__)
    spots = [_spot(point.x.value, point.y.value, across, up) for line in lines for point in line.all]
    panel, inked = Box(-4, -8, WIDTH + 8, HEIGHT), _inked(lines, across, up)
    placed = place(spots, texts, order, panel, lines=inked, gaps=_GAPS)
    return placed_labels(placed, texts, across, up, x, y)


def _spot(x: float, y: float, across: Scale, up: Scale) -> tuple[float, float]:
    """Pixels of the panel, y downwards."""
    return across.place(x), HEIGHT - up.place(y)


def _inked(lines: list[_Line], across: Scale, up: Scale) -> list[Box]:
    """What labels keep off if they can: lines, in short pieces, and intervals."""
    found = []
    for line in lines:
        spots = [_spot(point.x.value, point.y.value, across, up) for point in line.points]
        found += [box for start, end in pairwise(spots) for box in _pieces(start, end)]
        for point in line.all:
            left, bottom = _spot(ends(point.x)[0], ends(point.y)[0], across, up)
            right, top = _spot(ends(point.x)[1], ends(point.y)[1], across, up)
            x, y = _spot(point.x.value, point.y.value, across, up)
            found += [Box(left, y - 1, right, y + 1), Box(x - 1, top, x + 1, bottom)]
    return found


def _pieces(start: tuple[float, float], end: tuple[float, float]) -> list[Box]:
    """Small boxes along a line between two points, both in pixels."""
    count = max(1, math.ceil(math.dist(start, end) / _STEP))
    shares = [index / count for index in range(count + 1)]
    at = [(start[0] + share * (end[0] - start[0]), start[1] + share * (end[1] - start[1])) for share in shares]
    return [Box(x - 1, y - 1, x + 1, y + 1) for x, y in at]
