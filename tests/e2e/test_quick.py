"""The shipped zoo, whole: `ivbench run` with a fresh store, and once more."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ivbench.results.files import read_results

ZOO = Path(__file__).parents[2] / "zoo"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not (ZOO / "shapes-lite" / "card.yaml").is_file(), reason="zoo/shapes-lite has no card: it is not trained yet"
    ),
]


def ivbench(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "IVBENCH_ZOO": str(ZOO), "IVBENCH_STORE": str(folder / "store"), "CI": "1"}
    return subprocess.run(
        [sys.executable, "-m", "ivbench", *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=1200,
        check=False,
    )


def test_a_stranger_types_ivbench_run(tmp_path: Path) -> None:
    first = ivbench(tmp_path, "run")
    assert first.returncode == 0, first.stderr
    out = tmp_path / "ivbench-out" / "quick-shapes-lite"
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
    assert results.cells[0].label in first.stdout

    # Time is not measured again, so that a commit beside this test is no other environment.
    second = ivbench(tmp_path, "run", "--no-timing")
    assert second.returncode == 0, second.stderr
    assert "nothing was computed" in second.stdout
    again = read_results(out / "results.json")
    assert [cell.scores for cell in again.cells] == [cell.scores for cell in results.cells]
    assert again.ground_truth == results.ground_truth
