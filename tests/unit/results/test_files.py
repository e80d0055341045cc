"""results.json and results.csv."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ivbench.errors import ConfigError, MissingFileError, StoreError
from ivbench.results import RESULTS_VERSION, Results, read_results, upgrade, write_csv, write_results
from ivbench.results.schema import CascadeInfo, Cell, Counts, Interval, RunScore, Score, StageCost, SuiteInfo


def score(**change: Any) -> Score:
    values: dict[str, Any] = {
        "metric": "fvd",
        "label": "FVD [probe]",
        "protocol": "fvd/ivbench@1+ab",
        "fields": {"ddof": 1},
        "value": 12.5,
        "runs": [RunScore(seed=0, value=12.0), RunScore(seed=1, value=13.0)],
        "mean": 12.5,
        "stderr": 0.5,
        "interval": Interval(low=11.0, high=14.0, method="jackknife"),
        "higher_is_better": False,
        "counts": Counts(generated=64, failed=0, used=64, reference=2048),
    }
    return Score(**(values | change))


def results(**change: Any) -> Results:
    cell = Cell(
        id="c",
        label='w=3, "ddim"',
        settings={"sampler": "ddim", "steps": 8},
        guidance_w=3.0,
        scale_g=4.0,
        costs=[],
        scores=[score()],
        gallery=[],
    )
    values: dict[str, Any] = {
        "created": "2022-10-05T00:00:00Z",
        "command": "ivbench run",
        "suite": SuiteInfo(name="s", digest="d", prompts=["<b> \u00e9"], runs=2, seeds=[0, 1]),
        "cascade": CascadeInfo(name="c", digest="d", stages=[]),
        "environments": [],
        "cells": [cell],
        "ground_truth": [score(interval=None, stderr=None)],
    }
    return Results(**(values | change))


def test_results_come_back_equal_and_equal_results_are_equal_bytes(tmp_path: Path) -> None:
    one, two = tmp_path / "one" / "results.json", tmp_path / "two.json"
    write_results(results(), one)
    found = read_results(one)
    assert found == results()
    write_results(found, two)
    assert one.read_bytes() == two.read_bytes()


def test_a_score_that_is_not_finite_is_never_written(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    write_results(results(), path)
    before = path.read_bytes()
    with pytest.raises(ConfigError, match="canonical JSON"):
        write_results(results(ground_truth=[score(value=float("nan"))]), path)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "is not JSON"),
        ("[]", "is not a results file"),
        ("{}", "is not a results file"),
        ('{"format": "ivbench-results", "version": true}', "is not a results file"),
        ('{"format": "ivbench-results", "version": 99}', "reads up to"),
        ('{"format": "ivbench-results", "version": 0}', "can't be upgraded"),
        ('{"format": "ivbench-results", "version": 1, "x": NaN}', "NaN"),
        ('{"format": "ivbench-results", "version": 1, "x": 1e999}', "1e999"),
        ('{"format": "ivbench-results", "version": 1}', "is missing"),
    ],
)
def test_what_is_no_results_file_is_one_line(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "results.json"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        read_results(path)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_unknown_key_is_said_with_its_path(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    data = results().model_dump(mode="json")
    data["cells"][0]["scores"][0]["vlaue"] = 1.0
    path.write_text(json.dumps(data))
    with pytest.raises(ConfigError, match=r'unknown key "cells\.0\.scores\.0\.vlaue"\. Did you mean "value"'):
        read_results(path)


def _twice(data: dict[str, Any], field: str) -> None:
    data["cells"].append({**data["cells"][0], "label": "other", "id": "other", field: data["cells"][0][field]})


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda data: _twice(data, "label"), r"cells: got 'w=3, \"ddim\"' 2 times, each cell's label stands once"),
        (lambda data: _twice(data, "id"), "cells: got 'c' 2 times, each cell's id stands once"),
        (lambda data: data["cells"][0]["scores"].append(data["cells"][0]["scores"][0]), "each label and protocol"),
        (lambda data: data["cells"][0].update(label="a \ud800"), "is not JSON"),
        (lambda data: data["cells"][0]["settings"].update({"\udfff": 1}), "is not JSON"),
        (lambda data: data.update(created="yesterday"), "created: got 'yesterday', allowed is a moment in UTC"),
        (lambda data: data.update(created=""), "allowed is a moment in UTC"),
        (lambda data: data.update(created="2022-10-05T00:00:00"), "allowed is a moment in UTC"),
        (lambda data: data.update(created="9999-12-31T23:59:59-14:00"), "allowed is a moment in UTC"),
    ],
)
def test_what_would_mislead_a_reader_is_refused_in_one_line(
    tmp_path: Path, change: Callable[[dict[str, Any]], None], said: str
) -> None:
    path = tmp_path / "results.json"
    data = results().model_dump(mode="json")
    change(data)
    path.write_text(json.dumps(data))
    with pytest.raises(ConfigError, match=said) as caught:
        read_results(path)
    assert "\n" not in str(caught.value)


def test_a_pair_of_surrogates_is_a_character(tmp_path: Path) -> None:
    text = results(command="\N{GAME DIE}").model_dump_json()
    (tmp_path / "results.json").write_text(text.replace("\N{GAME DIE}", r"\ud83c\udfb2"))
    assert read_results(tmp_path / "results.json").command == "\N{GAME DIE}"


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError):
        read_results(tmp_path / "none.json")


def test_a_place_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="can't be written"):
        write_results(results(), tmp_path / "file" / "results.json")


def test_upgrades_run_one_after_the_other() -> None:
    steps = {1: lambda data: {**data, "b": data["a"]}, 2: lambda data: {**data, "c": data["b"]}}
    found = upgrade({"format": "ivbench-results", "version": 1, "a": 5}, "x", current=3, steps=steps)
    assert found == {"format": "ivbench-results", "version": 3, "a": 5, "b": 5, "c": 5}


@pytest.mark.parametrize("version", range(1, RESULTS_VERSION + 1))
@pytest.mark.parametrize(
    "change",
    [
        lambda data: data.update(cells=[1]),
        lambda data: data.update(cells=None),
        lambda data: data.update(cells={"scores": 1}),
        lambda data: data["cells"][0].update(scores=[3]),
        lambda data: data["cells"][0].update(scores=None),
        lambda data: data.update(ground_truth=5),
        lambda data: data.update(ground_truth=[None]),
    ],
)
def test_wrong_shapes_of_every_version_are_one_line(
    tmp_path: Path, version: int, change: Callable[[dict[str, Any]], None]
) -> None:
    data = results().model_dump(mode="json") | {"version": version}
    change(data)
    (tmp_path / "results.json").write_text(json.dumps(data))
    with pytest.raises(ConfigError) as caught:
        read_results(tmp_path / "results.json")
    assert "\n" not in str(caught.value)


def test_every_version_below_the_present_has_an_upgrade() -> None:
    from ivbench.results.upgrade import UPGRADES

    assert set(UPGRADES) == set(range(1, RESULTS_VERSION))


def test_the_csv_has_a_row_a_run_and_one_for_the_headline(tmp_path: Path) -> None:
    write_csv(results(), tmp_path / "results.csv")
    with (tmp_path / "results.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["cell"], row["row"], row["seed"], row["value"]) for row in rows] == [
        ("c", "run", "0", "12.0"),
        ("c", "run", "1", "13.0"),
        ("c", "headline", "", "12.5"),
        ("ground-truth", "draw", "", "12.0"),
        ("ground-truth", "draw", "", "13.0"),
        ("ground-truth", "headline", "", "12.5"),
    ]
    assert rows[2]["label"] == 'w=3, "ddim"'
    assert rows[2]["setting.steps"] == "8"
    assert rows[2]["low"] == "11.0"


@pytest.mark.parametrize(("times", "seconds"), [((0.5, 0.25), "0.75"), ((0.5, None), "")])
def test_the_csv_has_a_cells_cost_of_one_video(tmp_path: Path, times: tuple[float, float | None], seconds: str) -> None:
    costs = [StageCost(stage=str(i), sampler="ddim", steps=8, nfe=8, flops=1e9, seconds=t) for i, t in enumerate(times)]
    cells = [cell.model_copy(update={"costs": costs}) for cell in results().cells]
    write_csv(results(cells=cells), tmp_path / "results.csv")
    with (tmp_path / "results.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert (rows[0]["nfe"], rows[0]["flops"], rows[0]["seconds"]) == ("16", "2000000000.0", seconds)
    assert rows[-1]["nfe"] == ""


@pytest.mark.parametrize("rows", [[[1.0, 2.0], [1.0]], [[]]])
def test_values_by_prompt_that_do_not_fit_together_are_refused(rows: list[list[float]]) -> None:
    with pytest.raises(ValueError, match="every run has a value, or none, of every prompt"):
        score(by_prompt=rows)
