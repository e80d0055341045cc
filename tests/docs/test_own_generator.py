"""The how-to of own generators: its class keeps the contract, its suite is a grid on it, its commands run."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from ivbench.adapters import generator_source, open_door
from ivbench.cli.main import main
from ivbench.config import load_yaml, parse_suite
from ivbench.plan import build_plan
from ivbench.testing import check_adapter
from tests.docs.blocks import block, commands

PAGE = "how-to-bring-your-own-generator.md"
MODEL = """
import numpy as np

def load_my_model(device):
    def model(prompts, generators, steps, scale, negative, eta, size):
        videos = []
        for prompt, generator in zip(prompts, generators):
            level = 60 + 6 * scale + sum(map(ord, prompt)) % 23 - len(negative) - 5 * steps - eta
            noise = torch.randn((*size, 3), generator=generator)
            videos.append((level + 30 * noise).clip(0, 255).byte().numpy())
        return videos
    return model
"""


@pytest.fixture
def name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    pytest.importorskip("torch")
    (tmp_path / "mygenerator.py").write_text(block(PAGE, "python", "# mygenerator.py") + MODEL)
    (tmp_path / "my-suite.yaml").write_text(block(PAGE, "yaml", "# my-suite.yaml"))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "mygenerator", raising=False)
    monkeypatch.chdir(tmp_path)
    return "python:mygenerator:MyGenerator"


def test_its_class_keeps_the_contract(name: str) -> None:
    check_adapter(name)


def test_its_suite_is_a_grid_on_it(name: str) -> None:
    suite = parse_suite(load_yaml(block(PAGE, "yaml", "# my-suite.yaml"), "suite"), "suite")
    found = build_plan(suite, generator_source(open_door(name), name))
    assert len(found.cells) == 3 * 2 * 2 * 2
    assert found.stages[-1].frames == 8


def test_its_commands_run(name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """With fewer prompts, runs and points; the videos alone."""
    monkeypatch.setenv("IVBENCH_STORE", "store")
    text = Path("my-suite.yaml").read_text()
    Path("my-suite.yaml").write_text(text.replace("count: 32", "count: 2").replace("runs: 2", "runs: 1"))
    plan, run = commands(PAGE)
    assert main(plan) == 0
    assert "unknown TFLOPs" in capsys.readouterr().out
    assert main(["sample", *run[1:]]) == 0
    assert "48 videos in" in capsys.readouterr().out
