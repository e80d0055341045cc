"""`ivbench report`: where the page goes, and what a wrong file gets."""

from __future__ import annotations

import webbrowser
from pathlib import Path

import pytest

from ivbench.cli.main import main
from ivbench.results import write_results
from tests.report.fixtures import make_results


@pytest.fixture
def results(tmp_path: Path) -> Path:
    path = tmp_path / "results.json"
    write_results(make_results(tmp_path), path)
    return path


def test_the_page_lies_beside_the_results_and_its_path_is_printed(
    results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", str(results.parent)]) == 0
    page = results.with_name("report.html")
    assert capsys.readouterr().out == f"{page}\n"
    assert page.read_text(encoding="utf-8").lstrip().lower().startswith("<!doctype html>")


@pytest.fixture
def no_writing(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Path, Path]]:
    """The calls of `write_report`, which are noted and not carried out: drawing charts takes seconds."""
    calls: list[tuple[Path, Path]] = []

    def note(results: Path, out: Path) -> Path:
        calls.append((results, out))
        return out

    monkeypatch.setattr("ivbench.report.write_report", note)
    return calls


def test_out_names_the_page(tmp_path: Path, no_writing: list[tuple[Path, Path]]) -> None:
    out = tmp_path / "deeper" / "page.html"
    assert main(["report", str(tmp_path), "--out", str(out)]) == 0
    assert no_writing == [(tmp_path / "results.json", out)]


@pytest.mark.usefixtures("no_writing")
def test_no_browser_is_opened_in_a_pipe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    opened: list[str] = []
    monkeypatch.setattr(webbrowser, "open", opened.append)
    assert main(["report", str(tmp_path), "--open"]) == 0
    assert opened == []
    assert "No browser" in capsys.readouterr().err


@pytest.mark.parametrize("content", ["", "{", "[]", '{"format": "ivbench-results", "version": 99}'])
def test_a_file_that_is_no_results_file_is_one_line_and_leaves_no_page(
    content: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "results.json").write_text(content)
    assert main(["report", str(tmp_path)]) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("Error: ")
    assert captured.err.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["results.json"]


def test_a_missing_file_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(tmp_path / "nope.json")]) == 2
    assert "nope.json is not there" in capsys.readouterr().err
