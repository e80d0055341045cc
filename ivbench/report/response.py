"""A metric's response to graded distortions, as a table (CSV) and a figure (SVG)."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ivbench.errors import MissingDependencyError
from ivbench.results.atomic import write_bytes

__all__ = ["Row", "write_response"]

Row = tuple[str, bool, Sequence[float]]
"""Distortion, whether it is temporal, one value a level."""
_LEGENDS = ("color", "strokeDash")
_DASHES = ([1, 0], [4, 2], [1, 2], [6, 2, 1, 2], [8, 3], [2, 4])


def write_response(out: Path, metric: str, levels: Sequence[float], floor: float, rows: Sequence[Row]) -> list[Path]:
    """Write response.csv and response.svg.

    Args:
        out: the folder.
        metric: its name.
        levels: of the distortions, in (0, 1].
        floor: the value without distortion, drawn at level 0.
        rows: one a distortion.

    Returns:
        The files.

    Raises:
        MissingDependencyError: vl-convert is not installed.
        StoreError: the folder can't be written.
    """
    table, figure = out / "response.csv", out / "response.svg"
    drawn = _svg(metric, levels, floor, rows)
    write_bytes(table, _csv(levels, floor, rows).encode())
    write_bytes(figure, drawn.encode())
    return [table, figure]


def _csv(levels: Sequence[float], floor: float, rows: Sequence[Row]) -> str:
    file = io.StringIO(newline="")
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["distortion", "kind", "level", "value"])
    writer.writerow(["none", "", 0, floor])
    for name, temporal, values in rows:
        for level, value in zip(levels, values, strict=True):
            writer.writerow([name, "temporal" if temporal else "spatial", level, value])
    return file.getvalue()


def _svg(metric: str, levels: Sequence[float], floor: float, rows: Sequence[Row]) -> str:
    """Two panels, spatial and temporal, each line named and dashed in its own way: readable without colour."""
    try:
        import vl_convert
    except ModuleNotFoundError:
        raise MissingDependencyError("vl_convert", "zoo") from None
    panels = [
        _panel(metric, title, levels, floor, [row for row in rows if row[1] == temporal])
        for title, temporal in (("spatial", False), ("temporal", True))
    ]
    apart = {"scale": dict.fromkeys(_LEGENDS, "independent")}
    return str(vl_convert.vegalite_to_svg({"hconcat": panels, "resolve": apart}))


def _panel(metric: str, title: str, levels: Sequence[float], floor: float, rows: Sequence[Row]) -> dict[str, Any]:
    """One panel as Vega-Lite data."""
    values = [
        {"distortion": name, "level": level, "value": value}
        for name, _, found in rows
        for level, value in zip([0.0, *levels], [floor, *found], strict=True)
    ]
    names = [row[0] for row in rows]
    dashes = {"domain": names, "range": list(_DASHES[: len(names)])}
    return {
        "title": f"{title} distortions",
        "width": 300,
        "height": 220,
        "data": {"values": values},
        "mark": {"type": "line", "point": True},
        "encoding": {
            "x": {"field": "level", "type": "quantitative", "title": "level"},
            "y": {"field": "value", "type": "quantitative", "title": metric, "scale": {"zero": False}},
            "color": {"field": "distortion", "type": "nominal", "scale": {"domain": names}},
            "strokeDash": {"field": "distortion", "type": "nominal", "scale": dashes},
        },
    }
