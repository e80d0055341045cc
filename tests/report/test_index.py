"""The page of a folder of reports: every report once, in its own words; links that lead there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from ivbench.cli.main import main
from ivbench.report import build_index
from ivbench.report.verdict import verdict
from ivbench.results import write_results
from ivbench.results.schema import Results
from tests.report.fixtures import make_results


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with one report, `a`."""
    add(tmp_path / "a", make_results(tmp_path / "a"))
    return tmp_path


def add(folder: Path, results: Results) -> None:
    """Results, and of their report what the index looks for."""
    write_results(results, folder / "results.json")
    (folder / "report.html").write_text(f'<time datetime="{results.created}">')


def test_reports_stand_by_name_with_what_they_found(tmp_path: Path) -> None:
    results = {}
    for name in ("b", "a"):
        results[name] = make_results(tmp_path / name, labels=[f"{name}{index}" for index in range(4)])
        add(tmp_path / name, results[name])
    (tmp_path / "no-results").mkdir()
    (tmp_path / "no-report").mkdir()
    write_results(results["a"], tmp_path / "no-report" / "results.json")
    page = build_index(tmp_path, tmp_path)
    assert page.index('href="a/report.html"') < page.index('href="b/report.html"')
    assert page.count("<article>") == 2
    assert "no-report" not in page
    for one in results.values():
        assert all(line in page for line in verdict(one).headline)


@pytest.mark.parametrize("folders", [1, 2])
def test_without_reports_or_with_two_folders_it_says_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], folders: int
) -> None:
    assert main(["report", "--index", *[str(tmp_path)] * folders]) == 2
    said = capsys.readouterr().err
    assert ("write their reports first" if folders == 1 else "takes one folder") in said
    assert not (tmp_path / "index.html").exists()


@pytest.mark.parametrize("out", ["index.html", "sub/deep/index.html", "a/index.html"])
def test_its_links_lead_to_the_report_from_where_it_is_written(folder: Path, out: str) -> None:
    assert main(["report", "--index", str(folder), "--out", str(folder / out)]) == 0
    page = (folder / out).read_text(encoding="utf-8")
    links = [unquote(link) for link in re.findall('<a href="([^"]+)"', page)]
    found = {((folder / out).parent / link).resolve() for link in links}
    assert found == {(folder / "a" / name).resolve() for name in ("report.html", "results.json")}


def test_a_torn_file_is_named_and_left_out(folder: Path) -> None:
    (folder / "torn").mkdir()
    (folder / "torn" / "report.html").touch()
    whole = (folder / "a" / "results.json").read_bytes()
    (folder / "torn" / "results.json").write_bytes(whole[: len(whole) // 2])
    page = build_index(folder, folder)
    assert page.count("<article>") == 1
    assert "torn is left out: " in page
    assert 'href="torn/' not in page


def test_a_report_of_other_results_is_named_and_left_out(folder: Path) -> None:
    """Or the index says what the page that it leads to does not."""
    other = make_results(folder / "b").model_copy(update={"created": "2026-01-02T03:04:05+00:00"})
    add(folder / "b", other)
    assert build_index(folder, folder).count("<article>") == 2
    write_results(other.model_copy(update={"created": "2026-01-03T03:04:05+00:00"}), folder / "b" / "results.json")
    page = build_index(folder, folder)
    assert page.count("<article>") == 1
    assert "b is left out: its report.html is of other results" in page


@pytest.mark.parametrize("name", ["results.json", "report.html"])
def test_it_is_never_written_over_what_it_leads_to(folder: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    target = folder / "a" / name
    before = target.read_bytes()
    assert main(["report", "--index", str(folder), "--out", str(target)]) == 2
    assert "is what was read" in capsys.readouterr().err
    assert target.read_bytes() == before


@pytest.mark.browser
def test_its_links_lead_to_the_reports_at_any_width(visit: Any) -> None:
    for width in (360, 1400):
        page = visit("index", width=width).page
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    with page.expect_navigation():
        page.locator("article h2 a").first.click()
    assert page.locator("#results").count() == 1
    assert "a%20%26%20b/report.html" in page.url
    page.go_back()
    assert page.locator("article").count() == 2
