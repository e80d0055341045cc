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
        MissingDependencyError: altair or vl-convert is not installed.
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
        import altair as alt
        import vl_convert
    except ModuleNotFoundError as error:
        raise MissingDependencyError(str(error.name), "zoo") from None
    panels = [
        _panel(alt, metric, title, levels, floor, [row for row in rows if row[1] == temporal])
        for title, temporal in (("spatial", False), ("temporal", True))
    ]
    return str(vl_convert.vegalite_to_svg(alt.hconcat(*panels).to_json()))


def _panel(alt: Any, metric: str, title: str, levels: Sequence[float], floor: float, rows: Sequence[Row]) -> Any:
    values = [
        {"distortion": name, "level": level, "value": value}
        for name, _, found in rows
        for level, value in zip([0.0, *levels], [floor, *found], strict=True)
    ]
    names = [row[0] for row in rows]
    base = alt.Chart(alt.Data(values=values), title=f"{title} distortions", width=300, height=220)
    dash = alt.StrokeDash("distortion:N", scale=alt.Scale(domain=names, range=list(_DASHES[: len(names)])))
    return base.mark_line(point=True).encode(
        x=alt.X("level:Q", title="level"),
        y=alt.Y("value:Q", title=metric, scale=alt.Scale(zero=False)),
        color=alt.Color("distortion:N", sort=names),
        strokeDash=dash,
    )
