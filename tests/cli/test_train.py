"""`ivbench train` as a process: killed at any moment, the same command goes on to the same curve."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from ivbench.cli.main import main
from tests.unit.train.tiny import RECIPE, UNET

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
    """A zoo with the cascade `tiny` and the recipe `tiny-base`."""
    home = tmp_path / "zoo"
    (home / "tiny").mkdir(parents=True)
    (home / "recipes").mkdir()
    stage = {"name": "base", "kind": "base", "frames": 4, "height": 6, "width": 10, "fps": 3, "unet": UNET}
    cascade = {"name": "tiny", "text": {"encoder": "random", "dim": 4, "length": 2}, "stages": [stage]}
    (home / "tiny" / "cascade.yaml").write_text(json.dumps(cascade))
    write_recipe(home)
    monkeypatch.setenv("IVBENCH_ZOO", str(home))
    return home


def write_recipe(zoo: Path, **changes: Any) -> None:
    (zoo / "recipes" / "tiny-base.yaml").write_text(json.dumps({"kind": "stage"} | RECIPE | changes))


def start(*arguments: str) -> subprocess.Popen[str]:
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, "train", *arguments],
        env=os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen[str]) -> tuple[str, str]:
    output, errors = process.communicate(timeout=600)
    assert process.returncode == 0, errors
    return output, errors


def curve(folder: Path) -> list[tuple[int, float]]:
    rows = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [(row["step"], row["loss"]) for row in rows]


@pytest.mark.slow
def test_killed_and_resumed_the_command_leaves_the_same_log_and_weights(zoo: Path, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    write_recipe(zoo, steps=60, checkpoint_every=5)
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    output, errors = finish(start("tiny-base", "--out", str(whole)))
    assert output == f"{whole / 'base.safetensors'}\n"
    lines = [line for line in errors.splitlines() if line.startswith("base step")]
    assert [line.split()[2] for line in lines] == [f"{step}/60" for step in range(20, 61, 20)]
    assert all("loss" in line and "steps/s" in line and "left" in line for line in lines)
    assert (whole / "strips" / "step-000060.png").is_file()

    process = start("tiny-base", "--out", str(cut))
    deadline = time.monotonic() + 600
    while not (cut / "checkpoint.pt").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert not (cut / "base.safetensors").exists()
    _, errors = finish(start("tiny-base", "--out", str(cut)))
    assert "resumed at step" in errors
    assert curve(cut) == curve(whole)
    assert [step for step, _ in curve(cut)] == list(range(1, 61))
    assert (cut / "base.safetensors").read_bytes() == (whole / "base.safetensors").read_bytes()
    assert not list(cut.glob("**/*.tmp"))


@pytest.mark.parametrize(
    ("recipe", "changes", "message"),
    [
        ("tiny-bas", {}, 'the zoo has no recipe called "tiny-bas". Did you mean "tiny-base"?'),
        ("tiny-base", {"kind": "stag"}, 'kind "stag" is not known. Did you mean "stage"?'),
        ("tiny-base", {"bach": 3}, 'unknown key "bach". Did you mean "batch"?'),
        ("tiny-base", {"stage": "bsae"}, 'cascade tiny has no stage "bsae". Did you mean "base"?'),
        ("tiny-base", {"cascade": "other"}, "cascade.yaml is not there"),
        ("nowhere.yaml", {}, "nowhere.yaml is not there"),
    ],
)
def test_a_mistake_is_one_line(
    zoo: Path, capsys: pytest.CaptureFixture[str], recipe: str, changes: dict[str, Any], message: str
) -> None:
    write_recipe(zoo, **changes)
    assert main(["train", recipe, "--out", str(zoo / "out")]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("Error: ")
    assert message in printed.err
    assert printed.err.count("\n") == 1
    assert not (zoo / "out").exists()


def test_on_a_terminal_a_bar_shows_loss_rate_and_time_left() -> None:
    from rich.console import Console

    from ivbench.cli.training import show_steps

    console = Console(file=io.StringIO(), force_terminal=True, width=100)
    with show_steps(console, "base", 0, 40) as show:
        show({"step": 10, "loss": 0.25, "rate": 2.0, "left": 3725.0})
    assert "step 10/40  loss 0.25  2.00 steps/s  left 1:02:05" in console.file.getvalue()  # type: ignore[attr-defined]
