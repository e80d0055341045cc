"""The shipped zoo, whole: `ivbench run` with a fresh store, and once more."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from ivbench.results.files import read_results
from tests.docs.blocks import block

ZOO = Path(__file__).parents[2] / "zoo"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not (ZOO / "shapes-lite" / "card.yaml").is_file(), reason="zoo/shapes-lite has no card: it is not trained yet"
    ),
]


def ivbench(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "IVBENCH_ZOO": str(ZOO), "IVBENCH_STORE": str(folder / "store"), "CI": "1"} | variables
    return subprocess.run(
        [sys.executable, "-m", "ivbench", *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=1200,
        check=False,
    )


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of a stranger who typed `ivbench run`; what it said is in `said.txt`."""
    folder = tmp_path_factory.mktemp("stranger")
    first = ivbench(folder, "run")
    assert first.returncode == 0, first.stderr
    (folder / "said.txt").write_text(first.stdout)
    return folder


def test_a_stranger_types_ivbench_run(home: Path) -> None:
    out = home / "ivbench-out" / "quick-shapes-lite"
    results = read_results(out / "results.json")
    wanted = ["frame_fid", "fvd", "clip_score", "r_precision"]
    assert len(results.cells) >= 4
    for cell in results.cells:
        assert [score.metric for score in cell.scores] == wanted
        assert all(score.counts.used == 64 for score in cell.scores)
        assert all(cost.seconds is not None and cost.nfe > 0 for cost in cell.costs)
    assert [score.metric for score in results.ground_truth] == wanted
    assert len(results.suite.prompts) == 32
    assert (out / "report.html").stat().st_size > 10_000
    assert results.cells[0].label in (home / "said.txt").read_text()

    # Time is not measured again, so that a commit beside this test is no other environment.
    second = ivbench(home, "run", "--no-timing")
    assert second.returncode == 0, second.stderr
    assert "nothing was computed" in second.stdout
    again = read_results(out / "results.json")
    assert [cell.scores for cell in again.cells] == [cell.scores for cell in results.cells]
    assert again.ground_truth == results.ground_truth


def test_the_workflow_of_the_docs_gates_a_pull_request(home: Path) -> None:
    workflow = yaml.safe_load(block("how-to-gate-a-commit.md", "yaml", "# .github"))
    steps = [step["run"] for step in workflow["jobs"]["check"]["steps"] if "run" in step]
    commands = [shlex.split(step)[1:] for step in steps if step.startswith("ivbench ")]
    assert [command[0] for command in commands] == ["run", "check"]
    shutil.copytree(home / "ivbench-out" / "quick-shapes-lite", home / "baseline")
    (home / "ivbench-gate.yaml").write_text(block("how-to-gate-a-commit.md", "yaml", "# ivbench-gate"))
    summary = home / "summary.md"
    for command in commands:
        done = ivbench(home, *command, GITHUB_STEP_SUMMARY=str(summary))
        assert done.returncode == 0, done.stdout + done.stderr
    said = summary.read_text()
    assert said.index("frame FID") < said.index("## ivbench check: pass")
    assert "CLIP score" in said[said.index("## ivbench check") :]
