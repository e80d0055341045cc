"""Results in experiment trackers: the real packages, without a network, and what they say they hold."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from ivbench.cli.main import main
from ivbench.report.loggers.base import metric_key, values
from ivbench.results import Results, write_results
from tests.report.fixtures import make_results

LABELS = ["../../up", "w=3 ddim 32", "a/b <c>", "w=3 ddim 8"]


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Results:
    monkeypatch.chdir(tmp_path)
    found = make_results(tmp_path, labels=LABELS)
    write_results(found, tmp_path / "results.json")
    (tmp_path / "report.html").write_text("<p>report</p>")
    return found


def expected(results: Results, cell: int) -> dict[str, float]:
    return dict(values(results.cells[cell]))


def test_names_hold_metric_and_extractor_in_characters_that_all_take(results: Results) -> None:
    assert [metric_key(score) for score in results.cells[0].scores] == [
        "frame_fid.shapes-frame",
        "fvd.shapes-video",
        "clip_score.shapes-clip",
        "r_precision.shapes-clip",
    ]
    told = expected(results, 1)
    assert told["frame_fid.shapes-frame"] == 0.187
    assert {"frame_fid.shapes-frame.low", "frame_fid.shapes-frame.high", "nfe", "flops", "seconds"} <= told.keys()


def test_tensorboard_has_a_run_a_cell_with_its_numbers_and_pictures(results: Results, tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    assert main(["log", ".", "--to", "tensorboard", "--place", "tb", "--project", "../p"]) == 0
    runs = sorted(path for path in (tmp_path / "tb").rglob("*") if path.is_dir() and list(path.glob("events*")))
    assert len(runs) == len(results.cells)
    assert all(run.resolve().is_relative_to(tmp_path / "tb") for run in runs)  # labels lead nowhere else
    for number, run in enumerate(runs):
        events = EventAccumulator(str(run), size_guidance={"images": 0}).Reload()
        told = {tag: events.Scalars(tag)[0].value for tag in events.Tags()["scalars"]}
        assert told == pytest.approx(expected(results, number), rel=1e-6)
        assert len(events.Tags()["images"]) == len(results.cells[number].gallery)


def test_mlflow_has_nested_runs_with_params_metrics_and_files(
    results: Results, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import mlflow

    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")  # the one that needs neither a server nor a database
    place = (tmp_path / "mlruns").as_uri()
    assert main(["log", "results.json", "--to", "mlflow", "--place", place, "--project", "video"]) == 0
    client = mlflow.MlflowClient(place)
    experiment = client.get_experiment_by_name("video")
    runs = {run.info.run_name: run for run in client.search_runs([experiment.experiment_id])}
    parent = runs[f"{results.suite.name} {results.cascade.name}"]
    assert {file.path for file in client.list_artifacts(parent.info.run_id)} >= {"results.json", "report.html"}
    assert parent.data.params["suite_digest"] == results.suite.digest
    for number, cell in enumerate(results.cells):
        run = runs[cell.label]
        assert run.data.metrics == pytest.approx(expected(results, number))
        assert run.data.tags["mlflow.parentRunId"] == parent.info.run_id
        assert run.data.params == {key: str(value) for key, value in cell.settings.items()}


@pytest.mark.slow
def test_wandb_has_one_run_with_a_table_and_a_summary(
    results: Results, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    assert main(["log", ".", "--to", "wandb", "--place", "here", "--project", "video"]) == 0
    folders = list((tmp_path / "here" / "wandb").glob("offline-run-*"))
    assert len(folders) == 1
    tables = list(folders[0].rglob("*.table.json"))
    assert len(tables) == 1
    table = json.loads(tables[0].read_text())
    assert len(table["data"]) == len(results.cells)
    row: dict[str, Any] = dict(zip(table["columns"], table["data"][1], strict=True))
    assert row["cell"] == "w=3 ddim 32"
    assert {key: row[key] for key in expected(results, 1)} == pytest.approx(expected(results, 1))
    assert list(folders[0].rglob("*.html"))
    wanted, deadline = b"w=3 ddim 32/frame_fid.shapes-frame", time.monotonic() + 60
    while wanted not in (recorded := _recorded(folders[0])) and time.monotonic() < deadline:
        time.sleep(0.1)  # wandb's own process writes the record
    assert wanted in recorded


def _recorded(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.glob("*.wandb"))


@pytest.mark.parametrize(
    ("tracker", "package", "extra"),
    [("wandb", "wandb", "wandb"), ("mlflow", "mlflow", "mlflow"), ("tensorboard", "tensorboardX", "tensorboard")],
)
@pytest.mark.usefixtures("results")
def test_a_missing_package_is_one_line_with_the_pip_line(
    tracker: str, package: str, extra: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    assert main(["log", ".", "--to", tracker]) == 2
    assert f'pip install "ivbench[{extra}]"' in capsys.readouterr().err


@pytest.mark.usefixtures("results")
def test_a_place_that_cannot_be_written_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("x")
    assert main(["log", ".", "--to", "tensorboard", "--place", "file"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("Error: ")
    assert len(error.splitlines()) == 1
