"""The how-to of own networks: its files are read as they stand, and its class keeps the contract."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from ivbench.config import load_yaml, parse_card, parse_cascade
from ivbench.plan import cascade_source
from ivbench.testing import check_adapter
from ivbench.zoo import read_card
from tests.unit.adapters.gaussian_cascade import write_gaussian

PAGE = (Path(__file__).parents[2] / "docs" / "how-to-bring-your-own-network.md").read_text()
NET = """
import numpy as np

def load_my_net(path, device):
    def net(video, logsnr, tokens, conditioning, augmentation):
        mean = 0.0 if tokens is None else tokens.mean((1, 2)).reshape(-1, 1, 1, 1, 1)
        if conditioning is not None:
            mean = mean + torch.from_numpy(conditioning)
        return video / (2 + np.exp(logsnr)) + mean
    return net
"""
ENCODER = """

from tests.unit.adapters.gaussian_cascade import TwoWords
MyCascade.text_encoder = lambda self: TwoWords()
"""


def block(language: str, first: str) -> str:
    found = [text for text in re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL) if text.startswith(first)]
    assert len(found) == 1
    return found[0]


def test_its_class_keeps_the_contract(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch")
    (tmp_path / "mymodels").mkdir()
    (tmp_path / "mymodels" / "__init__.py").touch()
    text = block("python", "# mymodels/cascade.py") + NET + ENCODER
    (tmp_path / "mymodels" / "cascade.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    name = parse_card(load_yaml(block("yaml", "# card.yaml"), "card"), "card").adapter
    folder = write_gaussian(tmp_path / "my-cascade", name)
    try:
        check_adapter(folder)
    finally:
        for module in ("mymodels", "mymodels.cascade"):
            sys.modules.pop(module, None)


def test_its_files_are_read(tmp_path: Path) -> None:
    folder = tmp_path / "my-cascade"
    folder.mkdir()
    card = block("yaml", "# card.yaml")
    (folder / "card.yaml").write_text(re.sub(r"  cascade.yaml: .*\n", "", card))
    (folder / "cascade.yaml").write_text(block("yaml", "# cascade.yaml"))
    source = cascade_source(read_card(folder))
    assert source.spec.stages[0].parameters == 212_000_000
    assert parse_cascade(load_yaml(block("yaml", "# cascade.yaml"), "cascade")) == source.spec
