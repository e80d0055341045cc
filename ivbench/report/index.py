"""The page that leads to the reports of a folder: what each compared and found, in its own words."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from ivbench.errors import ConfigError, MissingFileError
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
        page, data: addresses of the report and of `results.json`, relative to the index.
    """

    results: Results
    compared: str
    headline: list[str]
    page: str
    data: str


def entries(folder: Path, home: Path) -> tuple[list[Entry], list[str]]:
    """Of every `NAME/results.json` with a `report.html` beside it, by name; and why some are left out.

    Args:
        folder: whose subfolders hold them.
        home: the folder of the page that leads to them; addresses are relative to it.

    Raises:
        MissingFileError: there is none.
    """
    paths = [path for path in sorted(folder.glob("*/results.json")) if path.with_name("report.html").is_file()]
    if not paths:
        raise MissingFileError(
            f"{folder} has no NAME/results.json with a report.html beside it. Name a folder of results folders, "
            "such as ivbench-out, and write their reports first (ivbench report FOLDER)."
        )
    found, problems = [], []
    for path in paths:
        try:
            found.append(_entry(path, home))
        except ConfigError as error:
            problems.append(f"{path.parent.name} is left out: {error}")
    return found, problems


def _entry(path: Path, home: Path) -> Entry:
    results = read_results(path)
    if f'datetime="{results.created}"' not in path.with_name("report.html").read_text(errors="replace"):
        raise ConfigError(f"its report.html is of other results. Write it anew: ivbench report {path.parent}")
    found = verdict(results)
    page, data = (_address(each, home) for each in (path.with_name("report.html"), path))
    return Entry(results, found.compared, found.headline, page, data)


def _address(path: Path, home: Path) -> str:
    return quote(Path(os.path.relpath(path.resolve(), home.resolve())).as_posix())
