"""A partial load marks every number of a run, wherever it is shown."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from ivbench.adapters.checkpoints import AuditError, export_cascade, import_cascade
from ivbench.plan import Plan
from ivbench.report import print_table, write_report
from ivbench.report.exports import export
from ivbench.report.loggers.base import facts
from ivbench.results.files import read_results
from ivbench.results.schema import Results
from ivbench.run import Outcome
from ivbench.zoo import read_card
from tests.run.processes import ivbench, suite_file
from tests.run.tiny_zoo import CASCADE
from tests.run.toys import run_toy, toy_plan

SAID = "tsr1: 1 missing"
NOTE = f"Weights were loaded in part ({SAID}): no number here is that of the checkpoint."


def assert_marked(results: Results, metrics: int) -> None:
    assert results.cascade.partial == SAID
    scores = [score for cell in results.cells for score in cell.scores]
    assert len(scores) == metrics * len(results.cells) > 0
    assert all(score.partial and f"Partial load: {SAID}" in score.notes for score in scores)
    assert not any(score.partial for score in results.ground_truth)
    assert NOTE in results.notes


def partly(plan: Plan) -> Plan:
    return plan.model_copy(update={"source": plan.source.model_copy(update={"partial": SAID})})


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Outcome, Outcome]:
    """The toys whole and in part."""
    folder = tmp_path_factory.mktemp("partial")
    return run_toy(toy_plan(), folder, "whole").outcome, run_toy(partly(toy_plan()), folder).outcome


def test_every_number_of_a_run_is_marked(
    runs: tuple[Outcome, Outcome], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole, part = runs
    assert "Partial load" not in whole.path.read_text()
    assert_marked(read_results(part.path), metrics=4)
    for before, after in zip(whole.results.cells, part.results.cells, strict=True):  # a mark is not another number
        assert [score.value for score in before.scores] == [score.value for score in after.scores]
    page = write_report(part.path, tmp_path / "report.html").read_text()
    print_table(part.results)
    for shown in (page, capsys.readouterr().out):
        assert NOTE in shown
        assert f"Partial load: {SAID}" in shown
    with (part.path.parent / "results.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {row["partial"] for row in rows if row["cell"] != "ground-truth"} == {"True"}
    assert {row["partial"] for row in rows if row["cell"] == "ground-truth"} <= {"False"}


@pytest.mark.parametrize(("kind", "said"), [("latex", SAID), ("markdown", f"Partial load: {SAID}"), ("lm-eval", SAID)])
def test_exports_and_loggers_carry_the_mark(kind: str, said: str, runs: tuple[Outcome, Outcome]) -> None:
    whole, part = (outcome.results for outcome in runs)
    assert said.encode() in export(kind, [("a", part)])
    assert said.encode() not in export(kind, [("a", whole)])
    assert (facts(part)["cascade_partial"], facts(whole)["cascade_partial"]) == (SAID, "")


def test_weights_of_another_cascade_that_stand_in_are_marked_too() -> None:
    plan = toy_plan()
    other = plan.source.model_copy(update={"partial": SAID})
    assert plan.partial == ""
    assert plan.model_copy(update={"variants": {"distilled": other}}).partial == f"distilled: {SAID}"


@pytest.mark.slow
def test_a_checkpoint_that_lacks_a_tensor_runs_only_by_request_and_marked(shipped: Path, tmp_path: Path) -> None:
    pytest.importorskip("msgpack")
    export_cascade(read_card(shipped / CASCADE), "npz", tmp_path / "all.npz")
    with np.load(tmp_path / "all.npz") as archive:
        np.savez(tmp_path / "x.npz", **{name: archive[name] for name in archive if name != "tsr1.head.bias"})
    (tmp_path / "card").mkdir()
    shutil.copyfile(shipped / CASCADE / "cascade.yaml", tmp_path / "card" / "cascade.yaml")
    card = {"name": "mine", "kind": "cascade", "licence": "Apache-2.0", "text_encoder": "t5-mini"}
    (tmp_path / "card" / "card.yaml").write_text(json.dumps(card))
    with pytest.raises(AuditError, match=r"missing head.bias"):
        import_cascade(tmp_path / "x.npz", tmp_path / "card" / "card.yaml", tmp_path / "mine")
    import_cascade(tmp_path / "x.npz", tmp_path / "card" / "card.yaml", tmp_path / "mine", allow_partial=True)
    suite = suite_file(tmp_path, metrics=[{"name": "clip_score", "extractor": "clip-probe"}], runs=1)
    options = ["--suite", suite, "--no-timing", "--no-open", "--out", "out", "--cascade", "./mine"]
    done = ivbench(shipped, tmp_path, "run", *options)
    assert done.returncode == 0, done.stderr
    assert_marked(read_results(tmp_path / "out" / "results.json"), metrics=1)
    assert f"Warning: {NOTE}" in done.stdout
