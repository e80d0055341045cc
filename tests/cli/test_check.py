"""`ivbench compare` and `ivbench check`, as a CI job uses them: exit codes, files, one line for a mistake."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from ivbench.cli.main import main
from ivbench.results import read_results, write_csv, write_results
from ivbench.run import Outcome
from tests.unit.check.results import CLIP, mean_score, pair, rerun, results

ON_QUICK = ["check", "shapes-lite", "--suite", "quick", "--baseline", "old"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A baseline, a re-run with other noise, one that is worse, one of too few prompts to tell, and a gate."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    old, again = pair(np.random.default_rng(0))
    worse = mean_score(np.array(again.by_prompt) - 3.0)
    noisy = mean_score(np.array(again.by_prompt) + np.random.default_rng(1).normal(0, 20.0, (2, 60)))
    for name, score in (("old", old), ("again", again), ("worse", worse), ("noisy", noisy)):
        write_results(results({"w=0 ddim": [score]}), tmp_path / name / "results.json")
    write_results(results({"other": [old]}), tmp_path / "other" / "results.json")
    (tmp_path / "ivbench-gate.yaml").write_text(f"rules:\n- {{metric: '{CLIP}', margin: 1.0}}\n")
    return tmp_path


@pytest.mark.parametrize(("new", "code"), [("again", 0), ("worse", 1), ("other", 2), ("noisy", 3)])
def test_the_exit_code_is_the_verdict(folder: Path, new: str, code: int) -> None:
    command = [sys.executable, "-m", "ivbench", "check", new, "--baseline", "old/results.json"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == code, done
    assert "Traceback" not in done.stderr


def test_reports_for_machines_and_people_are_written(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(folder / "summary.md"))
    files = ["--junit", "junit.xml", "--markdown", "check.md", "--json", "check.json"]
    assert main(["check", "worse", "--baseline", "old", *files]) == 1
    assert ElementTree.parse(folder / "junit.xml").getroot().get("failures") == "1"
    assert json.loads((folder / "check.json").read_text())["state"] == "regression"
    assert (folder / "check.md").read_text() == (folder / "summary.md").read_text()


def test_a_file_of_another_protocol_gets_its_verdict_and_reports(folder: Path) -> None:
    other = mean_score(np.ones((2, 60)), protocol="clip_score/ivbench@1+cc", fields={"prompts": "q", "generated": 120})
    write_results(results({"w=0 ddim": [other]}), folder / "protocol" / "results.json")
    for new in ("protocol", "other"):
        assert main(["check", new, "--baseline", "old", "--junit", f"{new}.xml", "--json", f"{new}.json"]) == 2
        assert json.loads((folder / f"{new}.json").read_text())["state"] == "missing"
        assert int(ElementTree.parse(folder / f"{new}.xml").getroot().get("errors", "0")) >= 1


def test_init_and_update_exclude_each_other(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (folder / "old" / "results.json").read_bytes()
    assert main(["check", "again", "--baseline", "old", "--init", "--update", "--gate", "own.yaml"]) == 2
    assert "Give one of them" in capsys.readouterr().err
    assert (folder / "old" / "results.json").read_bytes() == before
    assert not (folder / "own.yaml").exists()


def test_init_writes_a_gate_that_a_re_run_passes(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    again = read_results(folder / "again" / "results.json")
    write_results(rerun({"w=0 ddim": again.cells[0].scores}), folder / "again" / "results.json")
    assert main(["check", "again", "--baseline", "old", "--init", "--gate", "own.yaml"]) == 0
    assert capsys.readouterr().out.endswith("own.yaml\n")
    assert main(["check", "again", "--baseline", "old", "--gate", "own.yaml"]) == 0


def test_init_never_replaces_a_gate_or_a_results_file(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for gate in ("ivbench-gate.yaml", "again/results.json"):
        before = (folder / gate).read_bytes()
        assert main(["check", "again", "--baseline", "old", "--init", "--gate", gate]) == 2
        assert "is there. Remove it first" in capsys.readouterr().err
        assert (folder / gate).read_bytes() == before


def test_a_run_is_not_made_the_baseline_of_itself(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (folder / "old" / "results.json").read_bytes()
    assert main(["check", "old", "--baseline", "old", "--update"]) == 2
    assert "is what was read" in capsys.readouterr().err
    assert (folder / "old" / "results.json").read_bytes() == before


def test_update_replaces_the_baseline_and_nothing_else_does(folder: Path) -> None:
    before = (folder / "old" / "results.json").read_bytes()
    main(["check", "worse", "--baseline", "old"])
    assert (folder / "old" / "results.json").read_bytes() == before
    assert main(["check", "worse", "--baseline", "old", "--update"]) == 0
    baseline = read_results(folder / "old" / "results.json")
    assert baseline.cells[0].scores == read_results(folder / "worse" / "results.json").cells[0].scores
    assert any("before" in line for line in baseline.origins)
    assert main(["check", "worse", "--baseline", "old"]) == 0


def test_update_writes_the_table_and_the_page_beside_the_baseline_anew(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old = folder / "old"
    write_csv(read_results(old / "results.json"), old / "results.csv")
    assert main(["report", "old"]) == 0
    capsys.readouterr()
    assert main(["check", "worse", "--baseline", "old", "--update"]) == 0
    assert capsys.readouterr().out.endswith("old/results.json\nold/results.csv\nold/report.html\n")
    renewed = {name: (old / name).read_bytes() for name in ("results.csv", "report.html")}
    write_csv(read_results(old / "results.json"), old / "results.csv")
    assert main(["report", "old"]) == 0
    assert {name: (old / name).read_bytes() for name in renewed} == renewed


def test_update_makes_no_file_that_was_not_there(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "worse", "--baseline", "old", "--update"]) == 0
    assert [path.name for path in (folder / "old").iterdir()] == ["results.json"]
    assert "older" not in capsys.readouterr().out


def test_update_names_the_exports_that_are_older_now(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", "old", "--format", "markdown"]) == 0
    before = (folder / "old" / "results-export.md").read_bytes()
    capsys.readouterr()
    assert main(["check", "worse", "--baseline", "old", "--update"]) == 0
    said = capsys.readouterr().out.splitlines()[-1]
    assert "older than the new baseline" in said
    assert "old/results-export.md (ivbench export old/results.json --format markdown)" in said
    assert (folder / "old" / "results-export.md").read_bytes() == before
    assert main(said[said.index("ivbench export") : -1].split()[1:]) == 0
    assert (folder / "old" / "results-export.md").read_bytes() != before


def test_update_leaves_a_page_that_may_be_of_another_file(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "old" / "results.json").rename(folder / "old" / "base.json")
    (folder / "old" / "report.html").write_text("of other results")
    assert main(["check", "worse", "--baseline", "old/base.json", "--update"]) == 0
    assert "old/report.html (ivbench report old/base.json)" in capsys.readouterr().out
    assert (folder / "old" / "report.html").read_text() == "of other results"


def test_update_that_cannot_write_the_page_changes_nothing(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (folder / "old" / "results.json").read_bytes()
    (folder / "old" / "report.html").write_text("the page")
    (folder / "old" / "parity.json").write_text("[]")
    assert main(["check", "worse", "--baseline", "old", "--update"]) == 2
    assert "parity.json" in capsys.readouterr().err
    assert (folder / "old" / "results.json").read_bytes() == before
    assert (folder / "old" / "report.html").read_text() == "the page"


def test_compare_prints_a_row_a_metric_and_writes_json(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", "old", "worse", "--json", "c.json"]) == 0
    out = capsys.readouterr().out
    assert "60 prompts, paired by prompt and noise" in out
    assert CLIP in out
    assert "worse" in out
    assert json.loads((folder / "c.json").read_text())["changes"][0]["verdict"] == "worse"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["check", "again"], "Missing option '--baseline'"),
        (["check", "again", "--baseline", "nowhere.json"], "nowhere.json is not there"),
        (["check", "again", "--baseline", "old", "--gate", "none.yaml"], "none.yaml is not there"),
        (["compare", "old", "ivbench-gate.yaml"], "is not JSON"),
        (["compare", "old", "other"], "share no cell"),
        (["check", "again", "--baseline", "old", "--out", "here"], "--store, --out and --device are for --suite"),
        (["check", "shapes-lite", "--suite", "quick", "--baseline", "none"], "none"),
        (["check", "shapes-lite", "--suite", "quick", "--baseline", "old", "--out", "old"], "is what was read"),
        (["check", "shapes-lite", "--suite", "quick", "--baseline", "old", "--gate", "no.yaml"], "no.yaml"),
        (["check", "shapes-light", "--suite", "quick", "--baseline", "old"], 'Did you mean "shapes-lite"'),
        ([*ON_QUICK, "--init"], "ivbench-gate.yaml is there. Remove it first"),
        ([*ON_QUICK, "--out", "here", "--init", "--gate", "here/results.json"], "is what was read"),
        ([*ON_QUICK, "--json", "old/results.json"], "old/results.json is what was read"),
        ([*ON_QUICK, "--markdown", "ivbench-gate.yaml"], "ivbench-gate.yaml is what was read"),
        ([*ON_QUICK, "--out", "here", "--junit", "here/../here/results.json"], "is what was read"),
        (["check", "again", "--baseline", "old", "--json", "again/results.json"], "is what was read"),
        (["check", "again", "--baseline", "old", "--init", "--gate", "o.yaml", "--junit", "x.xml"], "report a verdict"),
        (["check", "again", "--baseline", "old", "--update", "--json", "x.json"], "report a verdict"),
        (["check", "again", "--baseline", "old", "--update", "--markdown", "x.md"], "report a verdict"),
    ],
)
def test_a_mistake_is_one_line_before_a_suite_is_run(
    folder: Path, arguments: list[str], said: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    monkeypatch.setattr("ivbench.cli.session.score_session", _never)
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def _never(*_: Any, **__: Any) -> None:
    pytest.fail("the suite was run first")


def test_a_cell_that_stopped_fails_though_the_baseline_lacks_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As `ivbench run` fails on it; the results record that command."""
    made = read_results(folder / "again" / "results.json")
    stopped = made.cells[0].model_copy(update={"id": "s", "label": "s", "scores": [], "problem": "NaN in base"})
    found = made.model_copy(update={"cells": [*made.cells, stopped]})
    commands = []

    def scored(*arguments: Any, command: list[str], **_: Any) -> Outcome:
        commands.append(command)
        path = arguments[4] / "results.json"
        write_results(found, path)
        return Outcome(found, path, 0, {"s": stopped.problem})

    monkeypatch.setattr("ivbench.cli.session.score_session", scored)
    assert main([*ON_QUICK, "--out", "here", "--json", "check.json"]) == 2
    said = capsys.readouterr()
    assert "Error: cell s stopped: NaN in base" in said.err
    assert "missing: s: stopped: NaN in base" in said.out
    assert json.loads((folder / "check.json").read_text())["missing"] == ["s: stopped: NaN in base"]
    words = "ivbench run --suite quick --cascade shapes-lite --device cpu --out here --no-timing"
    assert commands == [words.split()]
    assert main([*ON_QUICK, "--out", "here", "--init", "--gate", "new.yaml"]) == 2
    assert not (folder / "new.yaml").exists()
