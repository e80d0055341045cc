"""`ivbench plan`, on the zoo of the test."""

from __future__ import annotations

from pathlib import Path

import pytest

from ivbench.cli.main import main
from ivbench.plan import read_plan

SUITE = """\
name: two
cascade: {cascade}
prompts: {{texts: [a red circle, a blue ring, a green cross]}}
runs: 2
metrics: []
defaults: {{sampler: ddim, steps: 4, thresholding: static}}
grid: {{guidance: [0, 3]}}
"""


@pytest.fixture
def suite(zoo: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("suite") / "two.yaml"
    path.write_text(SUITE.format(cascade="tiny"))
    assert zoo.is_dir()
    return str(path)


def test_cells_cost_and_tasks_are_plain_lines(suite: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "--suite", suite]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["cell", "NFE", "base", "NFE", "TFLOPs"]
    assert [line.split()[-2] for line in lines[1:3]] == ["4", "8"]
    assert "2 cells x 2 runs x 3 prompts = 12 videos" in lines[4]
    assert lines[5] == "tasks: 1 encode, 4 sample, 0 extract, 0 score"


def test_out_writes_a_plan_that_can_be_read(suite: str, tmp_path: Path) -> None:
    out = tmp_path / "plan.json"
    assert main(["plan", "--suite", suite, "--device", "cuda", "--out", str(out)]) == 0
    planned = read_plan(out)
    assert planned.execution.device == "cuda"
    assert planned.source.spec.name == "tiny"


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["--suite", "quik"], 'Did you mean "quick"?'),
        (["--suite", "nowhere/quick.yaml"], "nowhere/quick.yaml is not there"),
        (["--cascade", "tinny"], 'Did you mean "tiny"?'),
        (["--cascade", "seer"], "is a probe, a cascade is needed"),
    ],
)
@pytest.mark.usefixtures("zoo")
def test_a_mistake_is_one_line_and_exit_code_2(
    arguments: list[str], hint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["plan", *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("Error: ")
    assert captured.err.count("\n") == 1
    assert hint in captured.err
    assert captured.out == ""


def test_a_suite_without_a_cascade_asks_for_one(suite: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path(suite).write_text(SUITE.format(cascade="null"))
    assert main(["plan", "--suite", suite]) == 2
    assert "names no cascade. Give one with --cascade" in capsys.readouterr().err
    assert main(["plan", "--suite", suite, "--cascade", "tiny"]) == 0
