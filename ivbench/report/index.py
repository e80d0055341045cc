"""The page that leads to the reports of a folder: what each compared and found, in its own words."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from ivbench.errors import MissingFileError
from ivbench.report.verdict import verdict
from ivbench.results.files import read_results
from ivbench.results.schema import Results

__all__ = ["Entry", "entries"]


@dataclass(frozen=True)
class Entry:
    """A report of the folder.

    Attributes:
        results: the whole file.
        compared, headline: as its report begins.
        page, data: relative addresses of the report and of `results.json`.
    """

    results: Results
    compared: str
    headline: list[str]
    page: str
    data: str


def entries(folder: Path) -> list[Entry]:
    """Of every `NAME/results.json` with a `report.html` beside it, by name.

    Raises:
        MissingFileError: there is none.
        ConfigError: one is not a results file.
    """
    paths = [path for path in sorted(folder.glob("*/results.json")) if path.with_name("report.html").is_file()]
    if not paths:
        raise MissingFileError(
            f"{folder} has no NAME/results.json with a report.html beside it. Name a folder of results folders, "
            "such as ivbench-out, and write their reports first (ivbench report FOLDER)."
        )
    return [_entry(path) for path in paths]


def _entry(path: Path) -> Entry:
    results = read_results(path)
    found, home = verdict(results), quote(path.parent.name)
    return Entry(results, found.compared, found.headline, f"{home}/report.html", f"{home}/results.json")
