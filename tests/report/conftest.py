"""Reports to look at, and one browser tab for all tests: a start of the browser costs more than all of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ivbench.cli.report import compared
from ivbench.report import Source, write_index, write_report, write_runs
from ivbench.results import write_results
from ivbench.results.atomic import write_bytes
from ivbench.results.parity import PARITY, write_parity
from tests.report.browser import ARGUMENTS, LOADED, PATIENCE, Visit, until
from tests.report.fixtures import (
    make_parity,
    make_results,
    oscillating,
    other_run,
    swept,
    with_conclusions,
    with_published,
)
from tests.report.test_build import HOSTILE


@pytest.fixture(scope="session")
def tab(chromium: str) -> Iterator[Visit]:
    sync_api = pytest.importorskip("playwright.sync_api", reason="no playwright; pip install playwright")
    with sync_api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS, timeout=PATIENCE)
        found = Visit(opened.new_page())
        found.page.set_default_timeout(PATIENCE)
        found.watch()
        yield found
        opened.close()


@pytest.fixture(scope="session")
def reports(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Pages by name: plain, hostile (texts that attack the page), rich (published values, sweeps), runs, index."""
    found = {}
    for name, prompts, labels in (("plain", None, None), ("hostile", HOSTILE, [*HOSTILE[:2], "y" * 300, "d"])):
        folder = tmp_path_factory.mktemp(name)
        write_results(make_results(folder, prompts, labels), folder / "results.json")
        found[name] = write_report(folder / "results.json", folder / "report.html")
    folder = tmp_path_factory.mktemp("rich")
    results = with_published(oscillating(swept(with_conclusions(make_results(folder)))))
    write_results(results, folder / "results.json")
    write_parity(make_parity(results), folder / PARITY)
    found["rich"] = write_report(folder / "results.json", folder / "report.html")
    sources = [
        Source(name, run, folder)
        for name, run in (("main", make_results(folder)), ("branch", other_run(make_results(folder))))
    ]
    found["runs"] = write_runs(sources, compared(sources), folder / "runs.html")
    home = tmp_path_factory.mktemp("index")
    for name, prompts in (("a & b", None), ("second", HOSTILE)):
        (home / name).mkdir()
        write_results(make_results(home / name, prompts), home / name / "results.json")
        write_bytes(home / name / "report.html", found["plain"].read_bytes())
    found["index"] = write_index(home, home / "index.html")
    return found


@pytest.fixture
def visit(tab: Visit, reports: dict[str, Path]) -> Any:
    """Open a report afresh."""

    def go(name: str = "plain", motion: str = "reduce", width: int = 1400) -> Visit:
        tab.complaints.clear()
        tab.page.set_viewport_size({"width": width, "height": 900})
        tab.page.emulate_media(color_scheme="light", reduced_motion=motion, media="screen")
        tab.page.goto(reports[name].as_uri())
        until(tab.page, LOADED)
        return tab

    return go
