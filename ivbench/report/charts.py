"""Quality against sampling time, one accessible SVG a metric, readable without colour and in light and dark.

Altair describes the chart, vl-convert draws it; afterwards every colour becomes a class, so that the page's style
sheet decides, and everything but plain shapes and text is dropped.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from itertools import pairwise
from typing import Any
from xml.etree import ElementTree

from ivbench.errors import MissingDependencyError
from ivbench.report.claims import Metric, metrics, same_measure, score_of
from ivbench.report.tables import total_flops, total_seconds
from ivbench.results.schema import Cell, Results, Score

__all__ = ["Chart", "charts"]

_WIDTH, _HEIGHT, _LINE = 262, 190, 13
_LABELS = 6
_SHAPES = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down", "triangle-right", "triangle-left")
_INK, _MUTED, _GRID, _POINT, _TRUTH = "#010101", "#020202", "#030303", "#040404", "#050505"
_CLASSES = {_INK: "ink", _MUTED: "muted", _GRID: "grid", _POINT: "point", _TRUTH: "truth"}
_SVG = "http://www.w3.org/2000/svg"
_KEPT_TAGS = frozenset({"svg", "g", "path", "line", "text", "title", "desc"})
_KEPT_ATTRIBUTES = frozenset(
    [
        "viewBox",
        "transform",
        "d",
        "x",
        "y",
        "x1",
        "x2",
        "y1",
        "y2",
        "stroke-width",
        "stroke-dasharray",
        "text-anchor",
        "font-size",
        "font-weight",
        "fill",
        "stroke",
    ]
)


@dataclass(frozen=True)
class Chart:
    """A chart, drawn, and what stands below it: where the ground truth lies if it is not drawn."""

    title: str
    direction: str
    svg: str
    aside: str


@dataclass(frozen=True)
class _Point:
    x: float
    y: float
    low: float
    high: float
    label: str
    shape: str


def charts(results: Results) -> list[Chart]:
    """One chart a metric: quality over sampling time, or over FLOPs where no cell was timed.

    Args:
        results: the whole file. Metrics with no cell that has a score and a cost are left out.

    Raises:
        MissingDependencyError: altair or vl-convert is not installed.
    """
    for library in ("altair", "vl_convert"):
        if find_spec(library) is None:
            raise MissingDependencyError(library, "zoo")
    timed = any(total_seconds(cell) is not None for cell in results.cells)
    longest = max((total_seconds(cell) or 0.0 for cell in results.cells), default=0.0)
    factor, unit = (1e3, "ms") if longest < 1 else (1.0, "s")
    cost: Callable[[Cell], float | None] = partial(_time, factor=factor) if timed else total_flops
    axis = f"sampling time a video ({unit})" if timed else "FLOPs a video"
    found = [(metric, _points(results, metric, cost)) for metric in metrics(results)]
    return [_chart(results, metric, points, axis) for metric, points in found if points]


def _time(cell: Cell, factor: float) -> float | None:
    seconds = total_seconds(cell)
    return None if seconds is None else factor * seconds


def _points(results: Results, metric: Metric, cost: Callable[[Cell], float | None]) -> list[_Point]:
    short = len(results.cells) <= _LABELS
    points = []
    for index, cell in enumerate(results.cells):
        score, x = score_of(cell.scores, metric), cost(cell)
        if score is None or x is None or x <= 0:
            continue
        label = f"{index + 1}  {cell.label}" if short and len(cell.label) <= 24 else str(index + 1)
        low, high = _ends(score)
        points.append(_Point(x, score.value, low, high, label, _SHAPES[index % len(_SHAPES)]))
    return points


def _ends(score: Score) -> tuple[float, float]:
    if score.interval is None:
        return score.value, score.value
    return score.interval.low, score.interval.high


def _chart(results: Results, metric: Metric, points: list[_Point], axis: str) -> Chart:
    import vl_convert

    truths = [score.value for score in results.ground_truth if same_measure(score, metric)]
    truth, aside = _truth(truths[0] if len(truths) == 1 else None, points)
    direction = f"{'higher' if metric.higher_is_better else 'lower'} is better"
    title = f"{metric.label}, {direction}"
    description = (
        f"{metric.label} against {axis} for {len(points)} cells; bars are intervals. The numbers stand in the table "
        "of results."
    )
    spec = _specification(metric, points, truth, axis)
    svg = _clean(vl_convert.vegalite_to_svg(spec), title, f"{description} {aside}".rstrip())
    return Chart(metric.label, direction, svg, aside)


def _truth(value: float | None, points: list[_Point]) -> tuple[float | None, str]:
    """The ground truth as a line, or as a sentence where it would squash the cells into a corner."""
    if value is None:
        return None, ""
    low, high = min(point.low for point in points), max(point.high for point in points)
    room = 1.5 * (high - low)
    if low - room <= value <= high + room:
        return value, ""
    return None, f"The ground truth, {value:.4g}, lies {'above' if value > high else 'below'} the panel."


def _specification(metric: Metric, points: list[_Point], truth: float | None, axis: str) -> dict[str, Any]:
    import altair as alt

    xs, log = _domain_x(points)
    ys = _domain_y(points, truth)
    x_scale = alt.Scale(type="log" if log else "linear", domain=xs, nice=False, zero=False)
    x = alt.X("x:Q", title=axis, scale=x_scale, axis=alt.Axis(tickCount=4, format="~s", labelOverlap=True))
    y_scale = alt.Scale(domain=ys, nice=False, zero=False)
    y = alt.Y("y:Q", title=None, scale=y_scale, axis=alt.Axis(tickCount=5, minExtent=32))
    base = alt.Chart(alt.Data(values=_rows(points, xs, ys, log)))
    layers: list[alt.Chart] = [] if truth is None else _truth_layers(alt, truth, xs[0])
    low = alt.Y("low:Q", title=None, scale=y_scale)
    layers.append(base.mark_rule(color=_POINT, strokeWidth=1.5).encode(x=x, y=low, y2="high:Q"))
    for shape in dict.fromkeys(point.shape for point in points):
        marks = base.transform_filter(alt.datum.shape == shape)
        layers.append(marks.mark_point(shape=shape, filled=True, size=75, color=_POINT, opacity=1).encode(x=x, y=y))
    for side, offset in (("left", 9), ("right", -9)):
        text = base.transform_filter(alt.datum.side == side).mark_text(align=side, dx=offset, color=_INK, fontSize=11)
        layers.append(text.encode(x=x, y=alt.Y("at:Q", title=None, scale=y_scale), text="label:N"))
    axes = {"domainColor": _MUTED, "tickColor": _MUTED, "gridColor": _GRID, "labelColor": _MUTED, "titleColor": _INK}
    chart = alt.layer(*layers).properties(width=_WIDTH, height=_HEIGHT)
    chart = chart.configure_view(stroke=None).configure_axis(**axes, titleFontWeight="normal", titlePadding=8)
    return dict(chart.configure_axisX(grid=False).to_dict())


def _truth_layers(alt: Any, truth: float, left: float) -> list[Any]:
    data = alt.Chart(alt.Data(values=[{"x": left, "y": truth, "label": "ground truth"}]))
    line = data.mark_rule(color=_TRUTH, strokeDash=[5, 4], strokeWidth=1.5).encode(y=alt.Y("y:Q", title=None))
    text = data.mark_text(align="left", dx=3, dy=-6, color=_MUTED, fontSize=11)
    return [line, text.encode(x=alt.X("x:Q"), y=alt.Y("y:Q", title=None), text="label:N")]


def _domain_x(points: list[_Point]) -> tuple[list[float], bool]:
    low, high = min(point.x for point in points), max(point.x for point in points)
    if high > 4 * low:
        return [low / 1.3, high * 1.3], True
    room = 0.12 * (high - low) or 0.2 * high
    return [max(0.0, low - room), high + room], False


def _domain_y(points: list[_Point], truth: float | None) -> list[float]:
    values = [end for point in points for end in (point.low, point.high)] + ([] if truth is None else [truth])
    room = 0.1 * (max(values) - min(values)) or 0.1 * abs(max(values)) or 1.0
    return [min(values) - room, max(values) + room]


def _rows(points: list[_Point], xs: list[float], ys: list[float], log: bool) -> list[dict[str, Any]]:
    """The data, with each label's side and height chosen so that labels of one side do not overlap."""
    import math

    place = math.log if log else float
    left, span = place(xs[0]), place(xs[1]) - place(xs[0])
    line = _LINE / _HEIGHT * (ys[1] - ys[0])
    sides = ["left" if (place(point.x) - left) / span < 0.55 else "right" for point in points]
    heights = [point.y for point in points]
    for side in ("left", "right"):
        order = sorted((i for i, own in enumerate(sides) if own == side), key=lambda i: points[i].y)
        for below, above in pairwise(order):
            heights[above] = max(heights[above], heights[below] + line)
    return [
        {"x": p.x, "y": p.y, "low": p.low, "high": p.high, "label": p.label, "shape": p.shape, "side": side, "at": at}
        for p, side, at in zip(points, sides, heights, strict=True)
    ]


def _clean(svg: str, title: str, description: str) -> str:
    """Plain shapes and text only, colours as classes, title and description for readers who don't see it."""
    ElementTree.register_namespace("", _SVG)
    root = ElementTree.fromstring(svg)
    _prune(root)
    for element in root.iter():
        _plain(element)
    root.set("role", "img")
    root.set("aria-label", title)
    for index, (tag, text) in enumerate((("title", title), ("desc", description))):
        child = ElementTree.Element(f"{{{_SVG}}}{tag}")
        child.text = text
        root.insert(index, child)
    return ElementTree.tostring(root, encoding="unicode")


def _prune(parent: ElementTree.Element) -> None:
    for child in list(parent):
        _prune(child)
        tag = child.tag.rpartition("}")[2]
        empty = len(child) == 0 and (
            tag == "g" or (tag == "text" and not child.text) or child.get("class") == "background"
        )
        if tag not in _KEPT_TAGS or empty or child.get("display") == "none":
            parent.remove(child)


def _plain(element: ElementTree.Element) -> None:
    classes = []
    for name in ("fill", "stroke"):
        colour = _CLASSES.get(element.get(name, ""))
        if colour is not None:
            classes.append(f"{name}-{colour}")
            del element.attrib[name]
    for name in [name for name in element.attrib if name not in _KEPT_ATTRIBUTES]:
        del element.attrib[name]
    for name in ("transform", "d"):
        if name in element.attrib:
            element.set(name, re.sub(r"\d+\.\d+", lambda match: f"{float(match[0]):.4g}", element.attrib[name]))
    if classes:
        element.set("class", " ".join(classes))
