"""One self-contained HTML file from `results.json` and its sprite strips.

The page opens from disk, asks the network for nothing, and runs under a Content-Security-Policy that names its one
script and its one style sheet by their hashes. Nothing here computes a statistic.
"""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from ivbench.errors import MissingDependencyError
from ivbench.report.charts import Chart, charts
from ivbench.report.claims import Metric, metrics, same_measure
from ivbench.report.formats import bounds, count, decimals, number, quantity, seconds, setting, words
from ivbench.report.gallery import gallery
from ivbench.report.tables import difference_rows, main_table, total_flops, total_nfe, total_seconds
from ivbench.report.verdict import verdict
from ivbench.results.atomic import write_bytes
from ivbench.results.files import read_results
from ivbench.results.schema import Results, Score

__all__ = ["build", "write_report"]

_TEMPLATES = Path(__file__).parent / "templates"


def build(results: Results, folder: Path) -> str:
    """The report as HTML.

    Args:
        results: the whole file.
        folder: the folder that `results.json` lies in; samples are relative to it.

    Raises:
        ConfigError: a sample's path leads out of the folder.
    """
    style = (_TEMPLATES / "report.css").read_text(encoding="utf-8")
    script = (_TEMPLATES / "report.js").read_text(encoding="utf-8")
    drawn, problem = _charts(results)
    page = _environment().get_template("report.html")
    return page.render(
        policy=_policy(style, script),
        style=Markup(style),
        script=Markup(script),
        results=results,
        verdict=verdict(results),
        table=main_table(results),
        charts=drawn,
        chart_problem=problem,
        gallery=gallery(results, folder),
        metrics=[_metric(results, metric) for metric in metrics(results)],
        differences=difference_rows(results),
        total_parameters=sum(stage.parameters for stage in results.cascade.stages),
    )


def write_report(results_path: Path, out: Path) -> Path:
    """Write the report of a results file.

    Args:
        results_path: a `results.json`.
        out: the HTML file to write, replaced whole or not at all.

    Returns:
        `out`.

    Raises:
        MissingFileError: no such results file.
        ConfigError: not a results file, or a sample's path leads out of its folder.
        StoreError: the place can't be written.
    """
    page = build(read_results(results_path), results_path.parent)
    write_bytes(out, page.encode())
    return out


def _charts(results: Results) -> tuple[list[tuple[Chart, Markup]], str]:
    """The charts, or why there are none: the core can be installed without the libraries that draw them."""
    try:
        return [(chart, Markup(chart.svg)) for chart in charts(results)], ""
    except MissingDependencyError as error:
        return [], f"The charts are left out: {error}"


def _environment() -> jinja2.Environment:
    found = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters |= {
        "bounds": lambda interval, digits: bounds(interval.low, interval.high, digits),
        "count": count,
        "flops": quantity,
        "number": number,
        "seconds": seconds,
        "setting": setting,
        "words": words,
    }
    found.globals |= {"total_seconds": total_seconds, "total_nfe": total_nfe, "total_flops": total_flops}
    return found


def _policy(style: str, script: str) -> str:
    rules = ("default-src 'none'", "img-src data:", f"style-src '{_hash(style)}'", f"script-src '{_hash(script)}'")
    return "; ".join((*rules, "base-uri 'none'", "form-action 'none'"))


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _metric(results: Results, metric: Metric) -> dict[str, Any]:
    """What stands behind one metric's numbers: protocol, its fields, and one row a score."""
    rows: list[tuple[str, Score]] = []
    for cell in results.cells:
        rows += [
            (cell.label, score)
            for score in cell.scores
            if (score.metric, score.protocol) == (metric.name, metric.protocol)
        ]
    digits = decimals(score.value for _, score in rows)
    rows += [("ground truth", score) for score in results.ground_truth if same_measure(score, metric)]
    context = list(dict.fromkeys(key for _, score in rows for key in score.context))
    first = rows[0][1]
    others: dict[str, list[str]] = {}
    for label, score in rows:
        if score.protocol != metric.protocol:
            others.setdefault(score.protocol, []).append(label)
    return {
        "metric": metric,
        "fields": first.fields,
        "rows": rows,
        "digits": digits,
        "context": context,
        "others": list(others.items()),
    }
