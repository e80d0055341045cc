"""Quality against sampling time: one accessible chart a metric, readable without colour, with its numbers beside."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from ivbench.report.axes import ends
from ivbench.report.claims import Metric, metrics, same_measure, score_of
from ivbench.report.formats import bounds, decimals, number, quantity, seconds
from ivbench.report.labels import Box, place
from ivbench.report.sources import Source, label
from ivbench.report.svg import (
    EXTENT,
    HEIGHT,
    MUTED,
    POINT,
    SHAPES,
    TRUTH,
    WIDTH,
    Scale,
    draw,
    field,
    labels,
    layer,
    placed_labels,
    require_libraries,
    value_scale,
)
from ivbench.report.tables import total_flops, total_seconds
from ivbench.results.schema import Cell, Score

__all__ = ["Chart", "ChartRow", "charts"]

_LABELS, _LONGEST, _NUMBERS = 8, 26, 40
_TRUTH = "ground truth"


@dataclass(frozen=True)
class ChartRow:
    """The numbers of one point: as the chart names it, its cell, cost, value and interval; whether none beats both."""

    number: str
    label: str
    cost: str
    value: str
    interval: str
    leads: bool


@dataclass(frozen=True)
class Chart:
    """A chart, drawn, and what stands beside it.

    Attributes:
        title, direction: the metric, and which way is better.
        svg: the drawing.
        aside: where the ground truth lies, if it is not drawn.
        cost: heading of the rows' cost.
        rows: the numbers, cheapest first.
    """

    title: str
    direction: str
    svg: str
    aside: str
    cost: str
    rows: list[ChartRow]


@dataclass(frozen=True)
class _Point:
    number: int
    name: str
    shape: str
    x: float
    cost: str
    score: Score

    @property
    def ends(self) -> tuple[float, float]:
        return ends(self.score)


_Cost = Callable[[Cell], float | None]


def charts(sources: list[Source]) -> list[Chart]:
    """One chart a metric and protocol: quality over sampling time, or over FLOPs where a run was not timed.

    Args:
        sources: the page's runs; a shape is a cell's own where there is one run, else its run's. Metrics with no cell
            that has a score and a cost are left out.

    Raises:
        MissingDependencyError: vl-convert is not installed.
    """
    require_libraries()
    times = [[time for cell in source.results.cells if (time := total_seconds(cell))] for source in sources]
    factor, unit = (1e3, "ms") if max((max(each, default=0.0) for each in times), default=0.0) < 1 else (1.0, "s")
    timed = all(times)
    of_cell: _Cost = partial(_time, factor=factor) if timed else _giga_flops
    cost = f"sampling time a video ({unit})" if timed else "GFLOPs a video"
    shown = seconds if timed else quantity
    found = [(metric, _points(sources, metric, of_cell, shown)) for metric in _metrics(sources)]
    truths = [score for source in sources for score in source.results.ground_truth]
    return [_chart(metric, points, truths, cost) for metric, points in found if points]


def _metrics(sources: list[Source]) -> list[Metric]:
    return list(dict.fromkeys(metric for source in sources for metric in metrics(source.results)))


def _time(cell: Cell, factor: float) -> float | None:
    found = total_seconds(cell)
    return None if found is None else factor * found


def _giga_flops(cell: Cell) -> float | None:
    found = total_flops(cell)
    return None if found is None else found / 1e9


def _points(sources: list[Source], metric: Metric, cost: _Cost, shown: Callable[[Any], str]) -> list[_Point]:
    points, number_ = [], 0
    for run, source in enumerate(sources):
        for index, cell in enumerate(source.results.cells):
            number_ += 1
            score, x = score_of(cell.scores, metric), cost(cell)
            if score is None or x is None or x <= 0:
                continue
            shape = SHAPES[(index if len(sources) == 1 else run) % len(SHAPES)]
            whole = total_seconds(cell) if shown is seconds else total_flops(cell)
            points.append(_Point(number_, label(source, cell), shape, x, shown(whole), score))
    return points


def _chart(metric: Metric, points: list[_Point], truths: list[Score], cost: str) -> Chart:
    values = sorted({score.value for score in truths if same_measure(score, metric)})
    truth, aside = _truth(values[0] if len(values) == 1 else None, points)
    direction = f"{'higher' if metric.higher_is_better else 'lower'} is better"
    description = (
        f"{metric.label} against {cost} for {len(points)} cells; bars are intervals. The numbers stand in the table "
        f"beside it. {aside}"
    )
    leads = _leaders(points, metric.higher_is_better)
    svg = draw(_layers(metric, points, truth, cost, leads), f"{metric.label}, {direction}", description.rstrip())
    return Chart(metric.label, direction, svg, aside, cost, _rows(points, leads))


def _leaders(points: list[_Point], higher_is_better: bool) -> set[int]:
    """Numbers of the points that no other beats in value at the same or a lower cost."""
    sign = 1 if higher_is_better else -1
    order = sorted(points, key=lambda point: (point.x, -sign * point.score.value))
    leads, best = set(), float("-inf")
    for point in order:
        if point.score.decisive and sign * point.score.value > best:
            leads.add(point.number)
            best = sign * point.score.value
    return leads


def _rows(points: list[_Point], leads: set[int]) -> list[ChartRow]:
    digits = decimals(point.score.value for point in points)
    rows = []
    for point in sorted(points, key=lambda point: (point.x, point.number)):
        found = point.score.interval
        ends = "" if found is None else bounds(found.low, found.high, digits)
        value = number(point.score.value, digits)
        rows.append(ChartRow(str(point.number), point.name, point.cost, value, ends, point.number in leads))
    return rows


def _truth(value: float | None, points: list[_Point]) -> tuple[float | None, str]:
    """The ground truth as a line, or as a sentence where it would squash the cells into a corner."""
    if value is None:
        return None, ""
    low, high = min(point.ends[0] for point in points), max(point.ends[1] for point in points)
    room = 1.5 * (high - low)
    if low - room <= value <= high + room:
        return value, ""
    return None, f"The ground truth, {value:.4g}, lies {'above' if value > high else 'below'} the panel."


def _layers(
    metric: Metric, points: list[_Point], truth: float | None, cost: str, leads: set[int]
) -> list[dict[str, Any]]:
    across, up = _scales(metric, points, truth)
    x, y = field("x", across, cost), field("y", up, minExtent=EXTENT, maxExtent=EXTENT)
    rows = [
        {"x": point.x, "y": point.score.value, "low": point.ends[0], "high": point.ends[1], "shape": point.shape}
        for point in points
    ]
    layers = [] if truth is None else _truth_layers(truth, across, up, x, y)
    layers += _frontier(points, leads, x, y)
    ends = {"x": x, "y": field("low", up), "y2": {"field": "high"}}
    layers.append(layer(rows, "rule", ends, color=POINT, strokeWidth=1.25))
    for shape in dict.fromkeys(point.shape for point in points):
        own = [row for row in rows if row["shape"] == shape]
        layers.append(layer(own, "point", {"x": x, "y": y}, shape=shape, filled=True, size=70, color=POINT, opacity=1))
    return layers + _texts(points, leads, across, up, x, y, truth)


def _scales(metric: Metric, points: list[_Point], truth: float | None) -> tuple[Scale, Scale]:
    values = [end for point in points for end in (*point.ends, point.score.value)] + ([] if truth is None else [truth])
    across = value_scale([point.x for point in points], WIDTH, room=0.12)
    if across.low < 0:
        across = Scale(0.0, across.high, False, WIDTH)
    return across, value_scale(values, HEIGHT, may_be_log=not metric.higher_is_better)


def _frontier(points: list[_Point], leads: set[int], x: dict[str, Any], y: dict[str, Any]) -> list[dict[str, Any]]:
    """A thin line through the cells that no other beats at the same or a lower cost."""
    if len(leads) < 2:
        return []
    rows = [{"x": point.x, "y": point.score.value} for point in points if point.number in leads]
    looks = {"color": MUTED, "strokeWidth": 1, "strokeDash": [1, 3], "interpolate": "step-after"}
    return [layer(rows, "line", {"x": x, "y": y}, **looks)]


def _truth_layers(truth: float, across: Scale, up: Scale, x: dict[str, Any], y: dict[str, Any]) -> list[dict[str, Any]]:
    rows = [{"x": across.low, "y": truth, "label": _TRUTH}]
    line = layer(rows, "rule", {"y": field("y", up)}, color=TRUTH, strokeDash=[5, 4], strokeWidth=1.5)
    return [line, labels(rows, x, y, align="left", dx=3, dy=-6, color=MUTED)]


def _texts(
    points: list[_Point],
    leads: set[int],
    across: Scale,
    up: Scale,
    x: dict[str, Any],
    y: dict[str, Any],
    truth: float | None,
) -> list[dict[str, Any]]:
    """The labels that have room; the leaders' come first, and of many points they are all."""
    short = len(points) <= _LABELS and all(len(point.name) <= _LONGEST for point in points)
    texts = [f"{point.number}  {point.name}" if short else str(point.number) for point in points]
    spots = [(across.place(point.x), HEIGHT - up.place(point.score.value)) for point in points]
    order = sorted(range(len(points)), key=lambda index: (points[index].number not in leads, index))
    order = order if len(points) <= _NUMBERS else [index for index in order if points[index].number in leads]
    placed = place(spots, texts, order, Box(-4, -8, WIDTH + 8, HEIGHT), _taken(points, spots, up, truth))
    return placed_labels(placed, texts, across, up, x, y)


def _taken(points: list[_Point], spots: list[tuple[float, float]], up: Scale, truth: float | None) -> list[Box]:
    """What labels keep off: intervals, and the ground truth's line and name."""
    found = [
        Box(spot[0] - 1, HEIGHT - up.place(point.ends[1]), spot[0] + 1, HEIGHT - up.place(point.ends[0]))
        for point, spot in zip(points, spots, strict=True)
    ]
    if truth is not None:
        line = HEIGHT - up.place(truth)
        found += [Box(0, line - 13, 6.4 * len(_TRUTH), line), Box(0, line - 1, WIDTH, line + 1)]
    return found
