"""The how-to of imagen-pytorch: its commands run on a checkpoint of the trainer's."""

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
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name in ("my-imagen", "my-denoisers"):
        text = block("how-to-run-imagen-pytorch.md", "yaml", f"# {name}.yaml")
        for more, few in (("count: 32", "count: 1"), ("runs: 2", "runs: 1"), ("steps: 50", "steps: 2")):
            text = text.replace(more, few)
        Path(f"{name}.yaml").write_text(text)
    default, run, denoisers = commands("how-to-run-imagen-pytorch.md")
    assert default == ["run", "imagen-pytorch:path/to/checkpoint.pt"]
    assert main(["sample", *run[1:], "--device", "cpu"]) == 0
    assert "4 videos in" in capsys.readouterr().out
    assert main(["sample", *denoisers[1:], "--device", "cpu"]) == 0
    assert "12 videos in" in capsys.readouterr().out
