"""The gate on the shipped cascade: a re-run with other seeds passes, a cascade that lost its text is a regression."""

from __future__ import annotations

import json
import runpy
from pathlib import Path

import pytest

from tests.e2e.test_quick import ZOO, ivbench

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (ZOO / "shapes-lite" / "card.yaml").is_file(), reason="zoo/shapes-lite has no card"),
]

without_text = runpy.run_path(str(ZOO.parent / "reports" / "regression" / "without_text.py"))["without_text"]

SUITE = """\
name: gate
cascade: shapes-lite
prompts: {{source: "shapes:test", count: 64}}
seeds: {seeds}
metrics:
  - {{name: frame_fid, extractor: frame-probe}}
  - {{name: clip_score, extractor: clip-probe}}
  - {{name: r_precision, extractor: clip-probe}}
reference: {{count: 512}}
gallery: 0
defaults: {{steps: {{base: 4, sr: 2}}}}
cells: [{{label: card}}]
"""


def run(folder: Path, name: str, seeds: list[int], *options: str) -> None:
    (folder / f"{name}.yaml").write_text(SUITE.format(seeds=seeds))
    done = ivbench(folder, "score", "--suite", f"{name}.yaml", "--out", name, "--no-timing", *options)
    assert done.returncode == 0, done.stderr


def test_a_re_run_passes_and_a_cascade_without_its_text_is_a_regression(tmp_path: Path) -> None:
    for name, seeds in (("baseline", [0, 1]), ("again", [2, 3]), ("re-run", [4, 5])):
        run(tmp_path, name, seeds)
    changed = without_text(ZOO / "shapes-lite", tmp_path / "changed" / "shapes-lite")
    run(tmp_path, "no-text", [0, 1], "--cascade", str(changed))

    gate = ivbench(tmp_path, "check", "again", "--baseline", "baseline", "--init")
    assert gate.returncode == 0, gate.stderr
    green = ivbench(tmp_path, "check", "re-run", "--baseline", "baseline")
    assert green.returncode == 0, green.stdout
    red = ivbench(tmp_path, "check", "no-text", "--baseline", "baseline", "--json", "red.json")
    assert red.returncode == 1, red.stdout
    verdicts = {
        verdict["metric"]: verdict["state"] for verdict in json.loads((tmp_path / "red.json").read_text())["verdicts"]
    }
    assert verdicts["CLIP score [clip-probe]"] == verdicts["CLIP R-Precision [clip-probe]"] == "regression"

    whole = ivbench(
        tmp_path, "check", str(changed), "--suite", "no-text.yaml", "--baseline", "baseline", "--out", "own"
    )
    assert whole.returncode == 1, whole.stderr
    assert (tmp_path / "own" / "report.html").is_file()
    assert whole.stdout.split("\n\n", 1)[1] == red.stdout
