"""Charts as plain SVG: Vega-Lite drawn by vl-convert, then reduced to shapes and text with the page's colours.

Every colour becomes a class, so that the page's style sheet decides in light, dark and print alike.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any
from xml.etree import ElementTree

from ivbench.errors import MissingDependencyError
from ivbench.report.labels import Label

__all__ = [
    "DASHES",
    "EXTENT",
    "GRID",
    "HEIGHT",
    "INK",
    "LETTERS",
    "MUTED",
    "PAPER",
    "POINT",
    "SHAPES",
    "TRUTH",
    "WIDTH",
    "Scale",
    "draw",
    "field",
    "labels",
    "layer",
    "placed_labels",
    "require_libraries",
    "value_scale",
]

WIDTH, HEIGHT = 380, 236
SHAPES = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down", "triangle-right", "triangle-left")
DASHES = ([1, 0], [6, 3], [2, 2], [8, 3, 2, 3], [12, 4], [4, 2, 1, 2, 1, 2])
LETTERS = "abcdefghijklmnopqrstuvwxyz"
EXTENT = 40
"""Pixels of the names on a vertical axis, so that the panels of all charts are of one width."""
INK, MUTED, GRID, POINT, TRUTH, PAPER = "#010101", "#020202", "#030303", "#040404", "#050505", "#060606"
_CLASSES = {INK: "ink", MUTED: "muted", GRID: "grid", POINT: "point", TRUTH: "truth", PAPER: "paper"}
_SVG = "http://www.w3.org/2000/svg"
_KEPT_TAGS = frozenset({"svg", "g", "path", "line", "text", "title", "desc"})
_GEOMETRY = ("viewBox", "transform", "d", "x", "y", "x1", "x2", "y1", "y2")
_LOOKS = ("stroke-width", "stroke-dasharray", "text-anchor", "font-size", "font-weight", "fill", "stroke")
_KEPT_ATTRIBUTES = frozenset((*_GEOMETRY, *_LOOKS))
_TICKS = 7
_LEAST = 1e-12
_MANY = 8.0
"""From this ratio of the greatest to the least value on, a scale is logarithmic."""


@dataclass(frozen=True)
class Scale:
    """One axis: from values to pixels and back.

    Attributes:
        low, high: ends of the domain.
        log: whether it is logarithmic.
        pixels: its length.
    """

    low: float
    high: float
    log: bool
    pixels: float

    def place(self, value: float) -> float:
        """Pixels from the low end."""
        low, high, at = (math.log(one) if self.log else one for one in (self.low, self.high, value))
        return (at - low) / (high - low) * self.pixels

    def value(self, place: float) -> float:
        """The value at so many pixels from the low end."""
        share = place / self.pixels
        if self.log:
            return math.exp(math.log(self.low) + share * (math.log(self.high) - math.log(self.low)))
        return self.low + share * (self.high - self.low)

    @property
    def ticks(self) -> list[float] | None:
        """Marks of a logarithmic axis: 1, 2 and 5 of each decade, or the decades alone; None: as the library likes."""
        if not self.log:
            return None
        decades = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
        found = [step * 10.0**decade for decade in decades for step in (1, 2, 5)]
        found = [value for value in found if self.low <= value <= self.high]
        if len(found) <= _TICKS:
            return found
        return [10.0**decade for decade in decades if decade % -(-len(decades) // _TICKS) == 0]

    @property
    def vega(self) -> dict[str, Any]:
        """As Vega-Lite writes it."""
        kind = "log" if self.log else "linear"
        return {"type": kind, "domain": [self.low, self.high], "nice": False, "zero": False}


def field(name: str, scale: Scale, title: str | None = None, **axis: Any) -> dict[str, Any]:
    """A position on a scale, by a field of the data; the axis has few marks, its numbers written out."""
    ticks = scale.ticks
    marks = {"tickCount": 5} if ticks is None else {"values": ticks}
    marks |= {"labelExpr": "format(datum.value, ',.6~g')", "labelOverlap": True, **axis}
    return {"field": name, "type": "quantitative", "title": title, "scale": scale.vega, "axis": marks}


def layer(rows: list[dict[str, Any]], mark: str, encoding: dict[str, Any], **looks: Any) -> dict[str, Any]:
    """One layer of a chart.

    Args:
        rows: the data.
        mark: rule, line, point or text.
        encoding: channel -> field.
        looks: of the mark; colours are those of this module.
    """
    return {"data": {"values": rows}, "mark": {"type": mark, **looks}, "encoding": encoding}


def labels(rows: list[dict[str, Any]], x: dict[str, Any], y: dict[str, Any], **looks: Any) -> dict[str, Any]:
    """A layer of the texts in `label`."""
    looks = {"color": INK, "fontSize": 11, **looks}
    return layer(rows, "text", {"x": x, "y": y, "text": {"field": "label", "type": "nominal"}}, **looks)


def placed_labels(
    placed: list[Label], texts: list[str], across: Scale, up: Scale, x: dict[str, Any], y: dict[str, Any]
) -> list[dict[str, Any]]:
    """Labels where they were placed, in a layer an alignment.

    Args:
        placed: in pixels of the panel.
        texts: of every point that could have a label.
        across, up: the scales of `x` and `y`.
        x, y: the fields that all layers share.
    """
    rows: dict[str, list[dict[str, Any]]] = {}
    for found in placed:
        row = {"x": across.value(found.x), "y": up.value(HEIGHT - found.y), "label": texts[found.index]}
        rows.setdefault(found.align, []).append(row)
    return [labels(own, x, y, align=align, baseline="middle") for align, own in rows.items()]


def value_scale(values: list[float], pixels: float, may_be_log: bool = True, room: float = 0.09) -> Scale:
    """A scale that holds all values with some room.

    Args:
        values: at least one.
        pixels: length of the axis.
        may_be_log: whether a wide span of positive values is shown by its logarithm.
        room: left free at both ends, as a share of the span.
    """
    low, high = min(values), max(values)
    if may_be_log and low > _LEAST and high > _MANY * low:
        factor = (high / low) ** room
        return Scale(low / factor, high * factor, True, pixels)
    free = room * (high - low) or 0.1 * abs(high) or 1.0
    return Scale(low - free, high + free, False, pixels)


def require_libraries() -> None:
    """Check that charts can be drawn.

    Raises:
        MissingDependencyError: vl-convert is not installed.
    """
    if find_spec("vl_convert") is None:
        raise MissingDependencyError("vl_convert", "zoo")


def draw(layers: list[dict[str, Any]], title: str, description: str) -> str:
    """Draw layers as one chart.

    Args:
        layers: with only the colours above.
        title: the accessible name.
        description: for readers who don't see it.

    Returns:
        SVG of plain shapes and text.
    """
    import vl_convert

    axes: dict[str, Any] = {"domainColor": MUTED, "tickColor": MUTED, "gridColor": GRID, "labelColor": MUTED}
    axes |= {
        "titleColor": INK,
        "titleFontWeight": "normal",
        "titlePadding": 9,
        "labelFontSize": 11,
        "titleFontSize": 11,
    }
    chart = {
        "width": WIDTH,
        "height": HEIGHT,
        "layer": layers,
        "config": {"view": {"stroke": None}, "axis": axes, "axisX": {"grid": False}},
    }
    return _clean(vl_convert.vegalite_to_svg(chart), title, description)


def _clean(svg: str, title: str, description: str) -> str:
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
