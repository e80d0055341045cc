"""Results in experiment trackers: the real packages, without a network, and what they say they hold."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from ivbench.cli.main import main
from ivbench.report.loggers.base import Line, Logger, lines, metric_key
from ivbench.results import Results, write_results
from tests.report.fixtures import make_results

LABELS = ["../../up", "w=3 ddim 32", "a/b <c>", "ground truth"]


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Results:
    monkeypatch.chdir(tmp_path)
    found = make_results(tmp_path, labels=LABELS)
    write_results(found, tmp_path / "results.json")
    (tmp_path / "report.html").write_text("<p>report</p>")
    return found


def ivbench(*arguments: str, **environment: str) -> str:
    """What the command prints, in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "ivbench", *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def changed(results: Results, cell: int, **score: Any) -> Results:
    """The results with fields of all scores of a cell changed."""
    cells = list(results.cells)
    scores = [one.model_copy(update=score) for one in cells[cell].scores]
    cells[cell] = cells[cell].model_copy(update={"scores": scores})
    return results.model_copy(update={"cells": cells})


def own_profile(results: Results) -> Line:
    """The first line where every score is of ivbench's own profile."""
    cell = results.cells[0]
    scores = [one.model_copy(update={"protocol": f"{one.metric}/ivbench@1+0123456789ab"}) for one in cell.scores]
    return lines(results.model_copy(update={"cells": [cell.model_copy(update={"scores": scores})]}))[0]


def test_a_name_holds_metric_and_extractor_and_any_profile_but_our_own(results: Results) -> None:
    names = ["frame_fid.shapes-frame", "fvd.shapes-video", "clip_score.shapes-clip", "r_precision.shapes-clip"]
    assert [key for key in own_profile(results).about if key.startswith("protocol.")] == [
        f"protocol.{name}" for name in names
    ]
    assert [metric_key(score) for score in results.cells[0].scores] == [f"{name}.shapes" for name in names]


def test_every_number_of_a_cell_is_told_and_the_ground_truth_beside_it(results: Results) -> None:
    told = lines(results)
    assert [line.label for line in told] == [*LABELS, "ground truth (2)"]
    for line, cell in zip(told, results.cells, strict=False):
        for score in cell.scores:
            key = metric_key(score)
            assert score.interval is not None
            assert line.values[key] == score.value
            assert line.values[f"{key}.stderr"] == score.stderr
            assert (line.values[f"{key}.low"], line.values[f"{key}.high"]) == (score.interval.low, score.interval.high)
            assert line.about[f"protocol.{key}"] == score.protocol
        assert line.values["nfe"] == sum(cost.nfe for cost in cell.costs)
        assert line.values["seconds"] == pytest.approx(sum(cost.seconds or 0 for cost in cell.costs))
    assert {metric_key(score): score.value for score in results.ground_truth}.items() <= told[-1].values.items()


def test_what_decides_nothing_and_why_a_cell_stopped_are_told(results: Results) -> None:
    assert all("undecided" not in line.about for line in lines(results))
    undecided = lines(changed(results, 1, decisive=False))[1].about["undecided"]
    assert undecided.split() == [metric_key(score) for score in results.cells[1].scores]
    stopped = results.cells[0].model_copy(update={"scores": [], "complete": False, "problem": "NaN in ssr1."})
    told = lines(results.model_copy(update={"cells": [stopped, *results.cells[1:]]}))
    assert told[0].about == {"stopped": "NaN in ssr1."}
    assert told[1].about.keys() > {"protocol.fvd.shapes-video.shapes"}


def event_folders(folder: Path) -> list[Path]:
    return sorted({path.parent for path in folder.rglob("events.out*")})


def test_tensorboard_has_a_run_a_cell_with_numbers_settings_and_pictures(results: Results, tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.plugins.hparams.metadata import SESSION_START_INFO_TAG, parse_session_start_info_plugin_data

    ivbench("log", ".", "--to", "tensorboard", "--place", "tb", "--project", "../p")
    runs = event_folders(tmp_path)
    assert len(runs) == len(results.cells) + 1
    assert all(run.resolve().is_relative_to(tmp_path / "tb") for run in runs)  # labels lead nowhere else
    for run, line in zip(runs, lines(results), strict=True):
        events = EventAccumulator(str(run), size_guidance={"images": 0}).Reload()
        told = {tag: events.Scalars(tag)[0].value for tag in events.Tags()["scalars"]}
        assert told == pytest.approx(line.values, rel=1e-6)
        assert len(events.Tags()["images"]) == len(line.gallery)
        plugin = events.SummaryMetadata(SESSION_START_INFO_TAG).plugin_data.content
        settings = parse_session_start_info_plugin_data(plugin).hparams
        assert settings.keys() == line.settings.keys()
        if line.settings:
            assert settings["sampler"].string_value == line.settings["sampler"]
            assert settings["steps"].number_value == line.settings["steps"]


def test_tensorboard_never_mixes_two_results(results: Results, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    """Points of two runs in one folder would be one curve."""
    command = ["log", ".", "--to", "tensorboard", "--place", "tb"]
    assert main(command) == 0
    assert main(command) == 2
    assert "is there already" in capsys.readouterr().err
    assert main([*command, "--name", "second"]) == 0
    write_results(results.model_copy(update={"created": "2027-01-01T00:00:00Z"}), tmp_path / "results.json")
    assert main(command) == 0
    folders = event_folders(tmp_path / "tb")
    assert len(folders) == 3 * (len(results.cells) + 1)
    assert all(len(list(folder.iterdir())) == 1 for folder in folders)


def test_a_sample_outside_of_the_results_is_never_logged(
    results: Results, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    home = tmp_path / "home"
    Image.new("RGB", (8, 4), (9, 9, 9)).save(tmp_path / "secret.webp", lossless=True)
    entry = results.cells[-1].gallery[0].model_copy(update={"sample": "../secret.webp"})
    cells = [*results.cells[:-1], results.cells[-1].model_copy(update={"gallery": [entry]})]
    write_results(results.model_copy(update={"cells": cells}), home / "results.json")
    assert main(["log", "home", "--to", "tensorboard", "--place", "tb"]) == 2
    assert "leads out of" in capsys.readouterr().err
    assert [path for path in (tmp_path / "tb").rglob("*") if path.name != "ivbench"] == []  # nor is anything left


def test_a_sample_that_is_no_image_costs_its_picture_alone(results: Results, tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    (tmp_path / results.cells[0].gallery[0].sample).write_bytes(b"no image")
    (tmp_path / results.cells[0].gallery[1].sample).unlink()
    assert main(["log", ".", "--to", "tensorboard", "--place", "tb"]) == 0
    events = EventAccumulator(str(event_folders(tmp_path)[0]), size_guidance={"images": 0}).Reload()
    assert len(events.Tags()["images"]) == len(results.cells[0].gallery) - 2


@pytest.mark.slow
def test_mlflow_has_nested_runs_with_params_metrics_and_files(results: Results, tmp_path: Path) -> None:
    """In the local database that MLflow starts with where it is told nothing; read back as the tables it is."""
    ivbench("log", "results.json", "--to", "mlflow", "--project", "video", "--name", "mine")
    with closing(sqlite3.connect(tmp_path / "mlflow.db")) as database:
        runs = dict(
            database.execute(
                "SELECT runs.name, run_uuid FROM runs JOIN experiments USING (experiment_id) "
                "WHERE experiments.name = 'video'"
            ).fetchall()
        )

        def table(name: str, run: str) -> dict[str, Any]:
            return dict(database.execute(f"SELECT key, value FROM {name} WHERE run_uuid = ?", [runs[run]]).fetchall())

        told = lines(results)
        assert runs.keys() == {"mine", *(line.label for line in told)}
        assert table("params", "mine")["suite_digest"] == results.suite.digest
        for line in told:
            assert table("metrics", line.label) == pytest.approx(line.values)
            assert table("tags", line.label)["mlflow.parentRunId"] == runs["mine"]
            settings = {key: str(value) for key, value in line.settings.items()}
            assert table("params", line.label) == {**settings, **line.about}
    files = {path.name for path in (tmp_path / "mlruns").rglob("*") if runs["mine"] in path.parts}
    assert files >= {"results.json", "report.html"}


def test_wandb_has_one_run_with_a_table_and_a_summary(results: Results, tmp_path: Path) -> None:
    offline = {"WANDB_MODE": "offline", "WANDB_SILENT": "true"}
    ivbench("log", ".", "--to", "wandb", "--place", "here", "--project", "video", **offline)
    (folder,) = (tmp_path / "here" / "wandb").glob("offline-run-*")
    (path,) = folder.rglob("*.table.json")
    table = json.loads(path.read_text())
    assert len(table["data"]) == len(results.cells) + 1
    row: dict[str, Any] = dict(zip(table["columns"], table["data"][1], strict=True))
    line = lines(results)[1]
    assert row["cell"] == line.label
    assert {key: row[key] for key in line.values} == pytest.approx(line.values)
    assert {key: row[key] for key in line.about} == line.about
    assert list(folder.rglob("*.html"))
    (record,) = folder.glob("*.wandb")
    assert f"{line.label}/frame_fid.shapes-frame".encode() in record.read_bytes()


@pytest.mark.parametrize(
    ("tracker", "package", "extra"),
    [("wandb", "wandb", "wandb"), ("mlflow", "mlflow", "mlflow"), ("tensorboard", "tensorboard", "tensorboard")],
)
@pytest.mark.parametrize("command", [["log", ".", "--to"], ["run", "--suite", "absent.yaml", "--log"]])
@pytest.mark.usefixtures("results")
def test_a_missing_package_is_one_line_before_anything_else_is_looked_at(
    command: list[str],
    tracker: str,
    package: str,
    extra: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    assert main([*command, tracker]) == 2
    error = capsys.readouterr().err
    assert f'pip install "ivbench[{extra}]"' in error
    assert len(error.splitlines()) == 1


@pytest.mark.usefixtures("results")
def test_a_tracker_that_fails_is_one_line_and_keeps_no_other_from_its_turn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(_logged: object) -> str:
        raise RuntimeError("quota\nreached.")  # a library's own kind of error

    monkeypatch.setattr("ivbench.report.loggers.wandb.WANDB", Logger("json", "wandb", refuse))
    before = (tmp_path / "results.json").read_bytes()
    assert main(["log", ".", "--to", "wandb", "--to", "tensorboard"]) == 2
    said = capsys.readouterr()
    assert said.err == (
        "Error: wandb: quota reached. The results are kept; to log them later: ivbench log results.json --to wandb\n"
    )
    assert said.out.startswith("tensorboard: 5 runs in runs/ivbench/")
    assert (tmp_path / "results.json").read_bytes() == before


@pytest.mark.usefixtures("results")
def test_a_place_that_cannot_be_written_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("x")
    assert main(["log", ".", "--to", "tensorboard", "--place", "file"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("Error: tensorboard: ")
    assert len(error.splitlines()) == 1
