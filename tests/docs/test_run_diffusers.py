"""The how-to of diffusers: its suite is a grid on a pipeline, and its commands run."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("diffusers")

from ivbench.cli.main import main
from tests.docs.blocks import block, commands
from tests.run.tiny_pipelines import save_sd

pytestmark = [
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


def test_its_commands_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """With fewer prompts and runs, on the CPU, the videos alone."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("IVBENCH_STORE", "store")
    save_sd(tmp_path / "path" / "to" / "pipeline")
    text = block("how-to-run-diffusers.md", "yaml", "# my-pipeline.yaml")
    Path("my-pipeline.yaml").write_text(text.replace("count: 32", "count: 2").replace("runs: 2", "runs: 1"))
    default, plan, run = commands("how-to-run-diffusers.md")
    assert default == ["run", "diffusers:path/to/pipeline"]
    assert main(plan) == 0
    assert "6 cells x 1 runs x 2 prompts" in capsys.readouterr().out
    assert main(["sample", *run[1:], "--device", "cpu"]) == 0
    assert "12 videos in" in capsys.readouterr().out
