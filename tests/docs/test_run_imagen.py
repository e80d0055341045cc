"""The how-to of imagen-pytorch: its command runs on a checkpoint of the trainer's."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

pytest.importorskip("torch")

from ivbench.cli.main import main
from tests.docs.blocks import block, commands
from tests.run.tiny_imagen import imported, save_imagen

pytestmark = [
    pytest.mark.skipif(find_spec("imagen_pytorch") is None, reason="imagen-pytorch is not installed: tox -e imagen"),
    pytest.mark.filterwarnings("ignore"),  # of the package, on today's libraries
]


def test_its_commands_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """With fewer prompts and runs, on the CPU, the videos alone."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("IVBENCH_STORE", "store")
    imported()
    save_imagen(tmp_path / "path" / "to" / "checkpoint.pt", steps=1)
    text = block("how-to-run-imagen-pytorch.md", "yaml", "# my-imagen.yaml")
    Path("my-imagen.yaml").write_text(text.replace("count: 32", "count: 1").replace("runs: 2", "runs: 1"))
    default, run = commands("how-to-run-imagen-pytorch.md")
    assert default == ["run", "imagen-pytorch:path/to/checkpoint.pt"]
    assert main(["sample", *run[1:], "--device", "cpu"]) == 0
    assert "4 videos in" in capsys.readouterr().out
