"""The how-to of videos: its commands run on a folder in the form of its names."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

from ivbench.cli.main import main
from ivbench.data.shapes.captions import prompts
from ivbench.results.files import read_results
from tests.docs.blocks import block, commands

PAGE = "how-to-run-videos.md"


def test_its_commands_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first two are parsed and planned, the third runs, with a small reference."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("IVBENCH_STORE", "store")
    folder = Path("path/to/folder")
    folder.mkdir(parents=True)
    for place, prompt in enumerate(prompts("test")[:2]):
        for sample in (0, 1):
            frames = np.random.default_rng(2 * place + sample).integers(0, 255, (8, 12, 20, 3)).astype(np.uint8)
            np.savez(folder / f"{prompt}-{sample}.npz", video=frames, fps=6.0)
    Path("my-videos.yaml").write_text(block(PAGE, "yaml", "# my-videos.yaml") + "reference: {count: 40}\n")
    whole, zipped, own = commands(PAGE)
    assert (whole, zipped) == (["run", "videos:path/to/folder"], ["run", "videos:path/to/folder.zip"])
    assert main(["plan", *whole[1:]]) == 0
    assert main([*own, "--out", "out"]) == 0
    results = read_results(tmp_path / "out" / "results.json")
    assert [score.counts.used for score in results.cells[0].scores] == [4, 4]
    assert results.suite.runs == 2
