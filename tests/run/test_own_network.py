"""Somebody's own network, by the command line: from a class and a card to a report."""

from __future__ import annotations

from pathlib import Path

import pytest

from ivbench.results.files import read_results
from tests.run.processes import assert_one_line, ivbench, suite_file
from tests.unit.adapters.gaussian_cascade import write_gaussian

SOURCE = Path(__file__).parents[1] / "unit" / "adapters" / "gaussian_cascade.py"


@pytest.mark.slow
def test_a_class_of_ones_own_runs_the_whole_way(shipped: Path, tmp_path: Path) -> None:
    (tmp_path / "mymodels.py").write_text(SOURCE.read_text())
    write_gaussian(tmp_path / "gaussian", "python:mymodels:Gaussian")
    metrics = [{"name": "clip_score", "extractor": "clip-probe"}]
    suite = suite_file(tmp_path, metrics=metrics, grid={"guidance": [0, 2]}, runs=1)
    options = ["--suite", suite, "--cascade", "./gaussian", "--no-timing", "--no-open", "--out", "out"]
    done = ivbench(shipped, tmp_path, "run", *options)
    assert done.returncode == 0, done.stderr
    results = read_results(tmp_path / "out" / "results.json")
    assert [cell.costs[1].nfe for cell in results.cells] == [1, 2]
    assert all(cell.complete and cell.scores for cell in results.cells)
    assert (tmp_path / "out" / "report.html").is_file()
    (tmp_path / "gaussian" / "base.json").write_text('{"gain": 2}')
    (tmp_path / "store").rename(tmp_path / "old")
    assert_one_line(ivbench(shipped, tmp_path, "run", *options), "base.json has sha256")
