"""Every command of the protocol cards names profiles, metrics, networks and options that exist."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from ivbench import registry
from ivbench.cli.score import score
from ivbench.config import profile
from ivbench.extractors.weights import manifest
from ivbench.metrics import Metric

TEXT = (Path(__file__).parents[2] / "docs" / "protocols.md").read_text(encoding="utf-8")
COMMANDS = [line for block in re.findall(r"```sh\n(.*?)```", TEXT, re.S) for line in block.splitlines()]


@pytest.mark.parametrize("line", [line for line in COMMANDS if line.startswith("ivbench score")])
def test_a_command_can_be_given(line: str) -> None:
    given = score.make_context("score", shlex.split(line)[2:]).params
    folders, chosen = given, profile(given["profile"])
    metrics: list[Metric] = [registry.load("metric", name)() for name in folders["metrics"].split(",")]
    for metric in metrics:
        assert metric.compares <= (folders["reference"] is not None)
        assert metric.captioned <= (folders["captions"] is not None)
        if metric.kind in ("frames", "clips"):
            assert chosen.network(metric.kind).name in manifest()
        elif metric.kind == "image_text":
            assert chosen.image_text is not None
    for text in folders["weights"]:
        network = text.partition("=")[0]
        assert network == "clip" or network in {
            chosen.network(metric.kind).name for metric in metrics if metric.kind in ("frames", "clips")
        }


def test_all_four_cards_are_there() -> None:
    headings = re.findall(r"^## (.*)$", TEXT, re.M)
    assert headings == ["UCF-101, zero-shot", "MSR-VTT, zero-shot", "Kinetics-600", "VBench's prompts"]
