"""The how-to of JAX: its commands run, on a zoo whose cascade has random weights, with fewer prompts and steps."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("jax")
pytest.importorskip("open_clip")

from ivbench.cli.main import main
from ivbench.results.files import read_results
from tests.docs.blocks import commands
from tests.run.processes import environment, suite_file
from tests.run.tiny_zoo import CASCADE, build

PAGE = "how-to-run-on-jax.md"


@pytest.mark.slow
def test_its_commands_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The first is planned, and run with a smaller suite."""
    build(tmp_path / "zoo")
    for name, value in environment(tmp_path / "zoo", tmp_path).items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    mine = {"shapes-lite": CASCADE, "ivbench-out/quick-shapes-lite": "out"}
    mine["ivbench-out/quick-shapes-lite/parity.json"] = "out/parity.json"
    run, parity, beside, report = ([mine.get(word, word) for word in words] for words in commands(PAGE))
    assert run == ["run", "--suite", "quick", "--cascade", CASCADE, "--backend", "jax"]
    assert main(["plan", *run[1:]]) == 0
    metrics = [{"name": "clip_score", "extractor": "clip-probe"}]
    run[2] = suite_file(tmp_path, metrics=metrics, runs=1, grid={"guidance": [2]})
    assert main([*run, "--no-open", "--no-timing", "--out", "out"]) == 0
    assert read_results(tmp_path / "out" / "results.json").environments[0].backend == "jax"
    capsys.readouterr()
    assert main([*parity, "--prompts", "2", "--steps", "2", "--w", "1"]) == 0
    assert "CLIP score" in capsys.readouterr().out
    assert json.loads((tmp_path / "parity.json").read_text())["checks"]
    assert main([*beside, "--prompts", "2", "--steps", "2", "--w", "1"]) == 0
    assert main(report) == 0
    assert '<h2 id="backends">' in (tmp_path / "out" / "report.html").read_text()
