"""The how-to of imports: its card and key map import a foreign checkpoint, and its commands say what it shows."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from ivbench.cli.main import main
from ivbench.config import load_yaml
from tests.unit.adapters.foreign import FOREIGN_RULES, foreign, weights, write_card

PAGE = (Path(__file__).parents[2] / "docs" / "how-to-import-a-checkpoint.md").read_text()


def block(containing: str) -> Any:
    found = [text for text in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL) if containing in text]
    assert len(found) == 1
    return load_yaml(found[0], "the how-to")


def test_the_how_to_imports(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    torch = pytest.importorskip("torch")
    monkeypatch.chdir(tmp_path)
    write_card(tmp_path, stages=1)
    card, rules = block("name: my-cascade"), block("key_map")["checkpoint"]["key_map"]
    rules = [*FOREIGN_RULES[:1], *rules]  # the temporal convolution's axes are the test's own
    del card["text_encoder"]  # the test's cascade has another
    (tmp_path / "card.yaml").write_text(yaml.safe_dump({**card, "checkpoint": {"key_map": rules}}))
    ema = {name: torch.from_numpy(np.ascontiguousarray(array)) for name, array in foreign(weights()).items()}
    count, moments = len(ema), {"mu": ema, "nu": ema}
    torch.save({"params": ema, "ema_params": ema, "opt_state": moments}, "checkpoint.pt")
    command = next(line for line in PAGE.splitlines() if line.startswith("ivbench zoo import"))
    assert main(command.split()[1:]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split() == ["base", "ema_params", "(EMA)", str(count), "0", "0", "0", "0"]
    assert lines[2:] == [
        f"left out: {count} of the other set of weights",
        f"left out: {2 * count} of opt_state",
        "my-cascade",
    ]


def test_the_how_tos_paths_are_valid() -> None:
    from ivbench.config import parse
    from ivbench.config.checkpoint import CheckpointConfig

    config = parse(CheckpointConfig, block("nets_ema")["checkpoint"], "the how-to")
    assert config.stages["tsr1"].ema == "nets_ema.1"
