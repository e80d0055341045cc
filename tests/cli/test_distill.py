"""`ivbench distill` as a process: killed at any moment, the same command goes on to the same students."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from ivbench import registry
from ivbench.cli.main import main
from tests.unit.train.students import write_recipe, write_teacher

pytest.importorskip("torch")

ROOT = Path(__file__).parents[2]
PROGRAM = """
import sys
import torch
from ivbench import registry
registry._BUILTIN["text_encoder"]["t5"] = "tests.unit.train.tiny:RandomEncoder"
torch.set_num_threads(1)
from ivbench.cli.main import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture
def zoo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A zoo with the trained cascade `tiny` and the recipe `tiny-distill`."""
    home = tmp_path / "zoo"
    write_teacher(home)
    write_recipe(home)
    monkeypatch.setenv("IVBENCH_ZOO", str(home))
    monkeypatch.setitem(registry._targets("text_encoder"), "t5", "tests.unit.train.tiny:RandomEncoder")
    return home


def start(*arguments: str) -> subprocess.Popen[str]:
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, "distill", *arguments],
        env=os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen[str]) -> tuple[str, str]:
    output, errors = process.communicate(timeout=600)
    assert process.returncode == 0, errors
    return output, errors


def losses(folder: Path) -> list[tuple[int, float]]:
    rows = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [(row["step"], row["loss"]) for row in rows]


@pytest.mark.slow
def test_killed_and_resumed_the_command_leaves_the_same_logs_and_students(zoo: Path, tmp_path: Path) -> None:
    student = {"updates": 30, "learning_rate": 0.01}
    write_recipe(zoo, guidance=student, halving=[{"steps": 8} | student], stochastic=[{"steps": 8} | student])
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    output, errors = finish(start("tiny-distill", "--out", str(whole)))
    names = ["guidance", "ddim-8", "stochastic-8"]
    assert output.splitlines() == [str(whole / "students" / f"tiny-base-{name}") for name in names]
    for name in names:
        assert f"base {name} step 30/30" in errors

    process = start("tiny-distill", "--out", str(cut))
    deadline = time.monotonic() + 600
    while not (cut / "ddim-8" / "checkpoint.pt").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    output, errors = finish(start("tiny-distill", "--out", str(cut)))
    assert len(output.splitlines()) == 3
    for name in names:
        assert losses(cut / name) == losses(whole / name)
        own = f"students/tiny-base-{name}/base.safetensors"
        assert (cut / own).read_bytes() == (whole / own).read_bytes()
    assert not list(cut.glob("**/*.tmp"))


def test_it_stops_after_the_phase_that_is_named(zoo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["distill", "tiny-distill", "--out", str(tmp_path / "out"), "--until", "ddim-8"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 2
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["ddim-8", "guidance", "students"]


def test_a_student_can_be_run_at_its_own_steps_and_at_no_others(
    zoo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["distill", "tiny-distill", "--out", str(tmp_path / "out"), "--until", "ddim-8"]) == 0
    student = str(tmp_path / "out" / "students" / "tiny-base-ddim-8")
    suite = tmp_path / "s.yaml"
    told: dict[str, Any] = {"name": "s", "prompts": {"texts": ["a red circle"]}, "runs": 1}
    suite.write_text(json.dumps(told | {"grid": {"guidance": [0, 6, {"base": "oscillate(15,1)"}]}}))
    capsys.readouterr()
    assert main(["plan", "--suite", str(suite), "--cascade", student]) == 0
    rows = capsys.readouterr().out.splitlines()[1:4]
    assert [row.split()[-2] for row in rows] == ["8", "8", "8"]
    arguments = ["sample", "--suite", str(suite), "--cascade", student]
    assert main([*arguments, "--store", str(tmp_path / "store")]) == 0
    suite.write_text(json.dumps(told | {"defaults": {"steps": 16}}))
    capsys.readouterr()
    assert main(["plan", "--suite", str(suite), "--cascade", student]) == 2
    printed = capsys.readouterr().err
    assert 'stage "base" is distilled to 8 steps of ddim, got 16 of ddim. Set steps.base: 8' in printed
    assert printed.count("\n") == 1


@pytest.mark.parametrize(
    ("changes", "until", "message"),
    [
        ({}, "ddim-16", 'has no phase "ddim-16". Did you mean'),
        ({"stage": "bsae"}, None, 'cascade tiny has no stage "bsae". Did you mean "base"?'),
        ({"cascade": "other"}, None, 'the zoo has no card called "other"'),
        ({"kind": "stage"}, None, "is a recipe of kind stage. Use: ivbench train tiny-distill"),
        ({"halving": [{"steps": 8, "updates": 1, "learning_rate": 1}] * 2}, None, "8 steps after 8; allowed is half"),
        ({"halving": [], "guidance": None, "stochastic": []}, None, "needs guidance, halving, or both"),
        ({"halving": []}, None, "stochastic: 8 steps need the halving to as many as their teacher"),
        ({"guidance": {"weights": [3, 1], "updates": 1, "learning_rate": 1}}, None, "must be [least, largest w]"),
        ({"batch": 0}, None, "batch: "),
    ],
)
def test_a_mistake_is_one_line(
    zoo: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    changes: dict[str, Any],
    until: str | None,
    message: str,
) -> None:
    write_recipe(zoo, **changes)
    more = [] if until is None else ["--until", until]
    assert main(["distill", "tiny-distill", "--out", str(tmp_path / "out"), *more]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert message in printed.err
    assert printed.err.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_train_sends_the_recipe_to_the_right_command(zoo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "tiny-distill"]) == 2
    assert "Use: ivbench distill tiny-distill" in capsys.readouterr().err
