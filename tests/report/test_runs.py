"""Several runs on one page: what is compared, what is not and why, and the command that writes it."""

from __future__ import annotations

from pathlib import Path

import pytest

from ivbench.cli.main import main
from ivbench.cli.report import compared
from ivbench.report import Against, Change, Source, build_runs, short_names
from ivbench.report.runs import change_pairs, run_tables, run_verdict
from ivbench.results import write_results
from ivbench.results.schema import Interval, Results
from tests.report.fixtures import PROMPTS, make_results, other_run

SPACE = "\N{NO-BREAK SPACE}"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("run")


@pytest.fixture(scope="module")
def first(folder: Path) -> Results:
    return make_results(folder)


@pytest.fixture(scope="module")
def sources(first: Results, folder: Path) -> list[Source]:
    return [Source("main", first, folder), Source("branch", other_run(first), folder)]


def test_a_shift_of_every_prompt_is_the_difference(sources: list[Source]) -> None:
    (against,) = compared(sources)
    clip = [change for change in against.changes if change.metric.startswith("CLIP score")]
    assert [change.value for change in clip] == pytest.approx([0.5] * 4)
    assert all(list(change.by_prompt) == pytest.approx([0.5] * PROMPTS) for change in clip)


def test_another_protocol_is_said_with_its_fields_and_never_subtracted(sources: list[Source]) -> None:
    against = compared(sources)
    fvd = next(table for table in run_tables(sources, against) if table.title.startswith("FVD"))
    assert fvd.notes == [
        "branch was scored under another protocol than main, so the two are not compared: frames (8 / 16)."
    ]
    assert {(row.entries[1].difference, row.entries[1].verdict) for row in fvd.rows} == {("", "")}
    assert [row.entries[1].text for row in fvd.rows] == ["3.41", "1.62", "1.66", "2.48"]


def test_a_protocol_that_differs_in_one_cell_is_said_with_that_cell(first: Results, folder: Path) -> None:
    score = first.cells[1].scores[0]
    other = score.model_copy(update={"protocol": f"{score.protocol}0", "fields": {**score.fields, "frames": 9}})
    changed = first.cells[1].model_copy(update={"scores": [other, *first.cells[1].scores[1:]]})
    cells = [first.cells[0], changed, *first.cells[2:]]
    sources = [Source("a", first, folder), Source("b", first.model_copy(update={"cells": cells}), folder)]
    tables = run_tables(sources, compared(sources))
    assert tables[0].notes == [
        f"b was scored under another protocol than a in {changed.label}, so the two are not compared there: "
        "frames (8 / 9)."
    ]
    assert not any(table.notes for table in tables[1:])


def test_a_cell_of_other_settings_under_its_label_is_said_and_gets_no_verdict(first: Results, folder: Path) -> None:
    other = other_run(first)
    changed = other.cells[0].model_copy(update={"settings": {**other.cells[0].settings, "steps": 7}})
    second = other.model_copy(update={"cells": [changed, *other.cells[1:]]})
    sources = [Source("main", first, folder), Source("branch", second, folder)]
    against = compared(sources)
    rows = run_tables(sources, against)[0].rows
    assert [bool(row.entries[1].verdict) for row in rows] == [False] + [True] * (len(rows) - 1)
    steps = f"other settings: steps {first.cells[0].settings['steps']} / 7"
    assert f"<li>branch and main are not compared in {changed.label}: {steps}</li>" in build_runs(sources, against)
    assert all("of the 3 cells" in line or "cannot" in line for line in run_verdict(sources, against))


def test_runs_of_other_parts_of_the_cascade_cannot_be_compared(first: Results, folder: Path) -> None:
    other = other_run(first)
    part = other.model_copy(update={"cascade": other.cascade.model_copy(update={"part": "ssr1 from real clips"})})
    sources = [Source("main", first, folder), Source("branch", part, folder)]
    (line,) = run_verdict(sources, compared(sources))
    assert line.startswith("branch and main cannot be compared: ")
    assert line.endswith("part of the cascade whole / ssr1 from real clips, and 3 more.")


def test_a_cell_of_one_run_alone_keeps_its_row(first: Results, folder: Path) -> None:
    cells = [first.cells[0], first.cells[1].model_copy(update={"label": "new"})]
    sources = [Source("a", first, folder), Source("b", first.model_copy(update={"cells": cells}), folder)]
    table = run_tables(sources, compared(sources))[0]
    assert [row.label for row in table.rows] == [*(cell.label for cell in first.cells), "new"]
    assert table.rows[-1].entries[0].text == "\N{EN DASH}"


def _against(*verdicts: str) -> Against:
    interval = Interval(low=0.2, high=0.8, method="cluster bootstrap")
    changes = [
        Change(f"cell {i}", "CLIP score [x]", "p", 0.5 + i, interval, 0.4, verdict)
        for i, verdict in enumerate(verdicts)
    ]
    return Against(changes)


def test_the_verdict_counts_cells_and_names_the_greatest_change(sources: list[Source]) -> None:
    (line,) = run_verdict(sources, [_against("better", "better", "no difference seen")])
    assert line == (
        "branch against main by CLIP score [x]: better in 2 of the 3 cells (most in cell 1: "
        f"+1.50 [0.20,{SPACE}0.80]), no difference seen in 1 of the 3 cells."
    )
    (alone,) = run_verdict(sources, [_against("worse")])
    assert alone == f"branch against main by CLIP score [x]: worse +0.500 [0.200,{SPACE}0.800]."


def test_metrics_of_the_same_outcome_share_a_sentence(sources: list[Source]) -> None:
    lines = run_verdict(sources, compared(sources))
    assert lines[0].startswith("branch against main by frame FID [shapes-frame]")
    assert len(lines) == len(set(lines)) <= 3


def test_runs_that_share_nothing_are_shown_and_said_to_be_apart(first: Results, folder: Path) -> None:
    cells = [cell.model_copy(update={"label": f"other {cell.label}"}) for cell in first.cells]
    sources = [Source("a", first, folder), Source("b", first.model_copy(update={"cells": cells}), folder)]
    against = compared(sources)
    assert run_verdict(sources, against) == ["b and a cannot be compared: no cell has the same label in both."]
    assert "cannot be compared" in build_runs(sources, against)


def test_prompts_of_two_runs_are_those_of_the_first_suite(sources: list[Source]) -> None:
    pairs = change_pairs(sources, compared(sources))
    assert {pair.metric for pair in pairs} == {"CLIP score [shapes-clip]", "CLIP R-Precision [shapes-clip]"}
    assert (pairs[0].a, pairs[0].b) == ("branch · w=0 ddim 32", "main · w=0 ddim 32")
    assert [pair.leads for pair in pairs] == [True] + [False] * (len(pairs) - 1)


@pytest.mark.parametrize(
    ("paths", "wanted"),
    [
        (["a/results.json", "b/results.json"], ["a", "b"]),
        (["x/out/results.json", "y/out/results.json"], ["x/out", "y/out"]),
        (["a/old.json", "a/new.json"], ["old", "new"]),
        (["a/results.json", "a/results.json"], ["a (1)", "a (2)"]),
    ],
)
def test_runs_have_the_shortest_names_that_differ(tmp_path: Path, paths: list[str], wanted: list[str]) -> None:
    assert short_names([tmp_path / path for path in paths]) == wanted


def test_the_command_writes_one_page_of_three_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, change in (("main", 0.0), ("branch", 0.5), ("third", -0.5)):
        run = make_results(tmp_path / name)
        write_results(other_run(run, change) if change else run, tmp_path / name / "results.json")
    monkeypatch.chdir(tmp_path)
    assert main(["report", "main", "branch", "third/results.json"]) == 0
    assert capsys.readouterr().out == "runs.html\n"
    text = (tmp_path / "runs.html").read_text(encoding="utf-8")
    assert "<title>main, branch, third" in text
    assert "third against main by" in text
    assert "for all 16 differences together (Holm" in text
    assert not (tmp_path / "main" / "report.html").exists()


def test_a_page_is_never_written_over_one_of_its_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("a", "b"):
        write_results(make_results(tmp_path / name), tmp_path / name / "results.json")
    target = tmp_path / "b" / "results.json"
    before = target.read_bytes()
    assert main(["report", str(tmp_path / "a"), str(tmp_path / "b"), "--out", str(target)]) == 2
    assert "is what was read" in capsys.readouterr().err
    assert target.read_bytes() == before
