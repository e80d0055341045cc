"""A hundred cells and sixty-four prompts fit a page that a mail can carry, and all of them are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ivbench.report import write_report
from ivbench.results import write_results
from tests.report.browser import LOADED, Visit, until
from tests.report.large import make_large

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("large")
    write_results(make_large(folder), folder / "results.json")
    return write_report(folder / "results.json", folder / "report.html")


def test_a_large_grid_stays_under_25_megabytes_with_every_cell_and_prompt(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert len(text.encode()) < 25_000_000
    assert text.count("<tr>") > 100
    assert len(re.findall(r"data:image/webp", text)) >= 101 * 64
    assert "are left out" not in text
    assert "encoded with loss" in text


@pytest.mark.browser
def test_a_large_page_opens_quietly_and_plays_any_prompt(tab: Visit, page: Path) -> None:
    tab.complaints.clear()
    tab.page.emulate_media(reduced_motion="reduce")
    tab.page.goto(page.as_uri())
    until(tab.page, LOADED)
    assert tab.page.locator("#stacks canvas").count() == 13
    tab.page.locator("#prompt").select_option("63")
    until(tab.page, LOADED)
    assert tab.page.locator("#main-table tbody").first.locator("tr").count() == 100
    assert tab.complaints == []
