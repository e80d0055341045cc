"""One self-contained HTML file from results files and their sprite strips.

The page opens from disk, asks the network for nothing, and runs under a Content-Security-Policy that names its one
script and its one style sheet by their hashes. Nothing here computes a statistic.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from ivbench.errors import MissingDependencyError
from ivbench.report.charts import charts
from ivbench.report.conclusions import tests_of
from ivbench.report.fidelity import fidelity_charts
from ivbench.report.formats import bounds, count, number, quantity, seconds, setting, when, words
from ivbench.report.gallery import gallery
from ivbench.report.index import entries
from ivbench.report.parity import parity_of
from ivbench.report.prompts import PromptPair, pairs_of_run, prompt_data
from ivbench.report.runs import Against, change_pairs, run_tables, run_verdict
from ivbench.report.scores import blocks
from ivbench.report.sources import Source
from ivbench.report.stages import cell_stages
from ivbench.report.sweeps import sweeps
from ivbench.report.tables import difference_rows, main_table
from ivbench.report.verdict import basis, verdict, warnings
from ivbench.results.atomic import write_bytes
from ivbench.results.files import read_results
from ivbench.results.schema import Results

__all__ = ["build", "build_index", "build_runs", "write_index", "write_report", "write_runs"]

_TEMPLATES = Path(__file__).parent / "templates"


def build(results: Results, folder: Path) -> str:
    """The report of one run as HTML.

    Args:
        results: the whole file.
        folder: the folder that `results.json` lies in; samples are relative to it.

    Raises:
        ConfigError: a sample's path leads out of the folder, or a `parity.json` in it is none.
    """
    source = Source("", results, folder)
    whose = {cell.settings.get("weights") for cell in results.cells}
    own = {
        "results": results,
        "verdict": verdict(results),
        "table": main_table(results),
        "differences": difference_rows(results),
        "tests": tests_of(results),
        "stand_ins": "original" in whose and len(whose) > 1,
    }
    return _page("report.html", [source], pairs_of_run(source), own)


def build_runs(sources: list[Source], against: Sequence[Against]) -> str:
    """The report of several runs side by side as HTML.

    Args:
        sources: at least two, each with a name; the first is what the others are compared with.
        against: every run but the first against the first.

    Raises:
        ConfigError: a sample's path leads out of its folder.
    """
    own = {
        "tables": run_tables(sources, against),
        "verdict": run_verdict(sources, against),
        "basis": basis(sum(change.p_value is not None for one in against for change in one.changes)),
        "warnings": [f"{source.name}: {line}" for source in sources for line in warnings(source.results)]
        + [
            f"{source.name} and {sources[0].name} are not compared in {line}"
            for source, one in zip(sources[1:], against, strict=True)
            for line in one.altered
        ],
        "told": [f"{source.name}: {line}" for source in sources for line in source.results.origins],
        "against": against,
    }
    return _page("runs.html", sources, change_pairs(sources, against), own)


def build_index(folder: Path, home: Path) -> str:
    """The page that leads to the reports of a folder, as HTML.

    Args:
        folder: whose subfolders hold a `results.json` and its `report.html`; one that can't be read is left out and
            named.
        home: the folder that the page is for; its links are relative to it.

    Raises:
        MissingFileError: none does.
    """
    style = _read("report.css")
    page = _environment().get_template("index.html")
    found, problems = entries(folder, home)
    return page.render(policy=_policy(style, ""), style=Markup(style), entries=found, problems=problems)


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


def write_runs(sources: list[Source], against: Sequence[Against], out: Path) -> Path:
    """Write the report of several runs; arguments and errors as `build_runs` and `write_report`."""
    write_bytes(out, build_runs(sources, against).encode())
    return out


def write_index(folder: Path, out: Path) -> Path:
    """Write the page of a folder of reports; arguments and errors as `build_index` and `write_report`."""
    write_bytes(out, build_index(folder, out.parent).encode())
    return out


def _page(template: str, sources: list[Source], pairs: list[PromptPair], own: dict[str, Any]) -> str:
    """Render a template with what both kinds of page have."""
    style, script = _read("report.css"), _read("report.js")
    return (
        _environment()
        .get_template(template)
        .render(
            policy=_policy(style, script),
            style=Markup(style),
            script=Markup(script),
            sources=sources,
            gallery=gallery(sources),
            pairs=prompt_data(pairs) if pairs else None,
            stages=[(source, cell_stages(source)) for source in sources if not source.results.of_folders],
            parities=[(source, found) for source in sources if (found := parity_of(source)) is not None],
            blocks=blocks(sources),
            **_charts(sources),
            **own,
        )
    )


def _read(name: str) -> str:
    return (_TEMPLATES / name).read_text(encoding="utf-8")


def _charts(sources: list[Source]) -> dict[str, Any]:
    """The charts, or why there are none: the core can be installed without the libraries that draw them."""
    single = sources[0].results if len(sources) == 1 else None
    try:
        return {
            "charts": charts(sources),
            "fidelity": [] if single is None else fidelity_charts(single),
            "sweeps": [] if single is None else sweeps(single),
            "chart_problem": "",
        }
    except MissingDependencyError as error:
        return {"charts": [], "fidelity": [], "sweeps": [], "chart_problem": f"The charts are left out: {error}"}


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
        "drawn": Markup,
        "flops": quantity,
        "number": number,
        "seconds": seconds,
        "sections": _sections,
        "setting": setting,
        "when": when,
        "words": words,
    }
    return found


def _sections(page: str) -> list[tuple[str, str]]:
    """(anchor, title) of every section of a rendered page, for its table of contents."""
    return re.findall(r'<h2 id="([a-z-]+)">([^<]+)</h2>', page)


def _policy(style: str, script: str) -> str:
    rules = ("default-src 'none'", "img-src data:", f"style-src '{_hash(style)}'", f"script-src '{_hash(script)}'")
    return "; ".join((*rules, "base-uri 'none'", "form-action 'none'"))


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
