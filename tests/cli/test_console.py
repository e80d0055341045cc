"""Tables and pages: a terminal gets colour and folding, anything else plain lines."""

from __future__ import annotations

import sys
import webbrowser
from pathlib import Path

import pytest

from ivbench.cli.console import add_to_job_summary, open_page, print_rows

ROWS = [["a", "1"], ["a long name " * 20, "10"]]


def pretend_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Standard output says from now on that it is a terminal; called in a test's body, after pytest has replaced it."""
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("DISPLAY", ":0")


def test_a_pipe_gets_one_line_a_row_however_long(capsys: pytest.CaptureFixture[str]) -> None:
    print_rows(["name", "count"], ROWS, right=["count"])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert lines[1].startswith("a ")
    assert lines[1].endswith("    1")
    assert len({len(line) for line in lines}) == 1


def test_a_terminal_gets_a_styled_table_and_no_color_a_plain_one(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pretend_terminal(monkeypatch)
    print_rows(["name", "count"], ROWS)
    assert "\x1b[" in capsys.readouterr().out
    monkeypatch.setenv("NO_COLOR", "1")
    print_rows(["name", "count"], ROWS)
    assert "\x1b" not in capsys.readouterr().out


def test_markup_in_a_row_is_text(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    pretend_terminal(monkeypatch)
    print_rows(["name"], [["[bold]x[/bold]"]])
    assert "[bold]x[/bold]" in capsys.readouterr().out


def test_a_page_is_opened_on_a_screen_but_not_under_ci(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pretend_terminal(monkeypatch)
    opened: list[str] = []
    monkeypatch.setattr(webbrowser, "open", lambda url: opened.append(url) or True)
    assert open_page(tmp_path / "a b.html")
    assert opened == [(tmp_path / "a b.html").resolve().as_uri()]
    monkeypatch.setenv("CI", "true")
    assert not open_page(tmp_path / "a b.html")
    assert len(opened) == 1


def test_a_job_summary_is_added_where_a_job_asks_for_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    add_to_job_summary("nowhere")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
    add_to_job_summary("one\n")
    add_to_job_summary("two\n")
    assert (tmp_path / "summary.md").read_text() == "one\ntwo\n"


def test_a_job_summary_that_cannot_be_written_is_said_and_ends_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path))
    add_to_job_summary("one\n")
    assert capsys.readouterr().err == f"the job's summary {tmp_path} can't be written: Is a directory\n"
