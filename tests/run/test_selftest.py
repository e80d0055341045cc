"""The selftest passes where all is well, and fails for the right reason where it is not."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from ivbench.cli.main import main
from ivbench.run import selftest as module
from ivbench.run.selftest import Check, selftest
from ivbench.zoo.locate import find_zoo


@pytest.fixture(autouse=True)
def no_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IVBENCH_WEIGHTS", str(tmp_path / "weights"))


def failed(checks: list[Check]) -> list[str]:
    return [check.name for check in checks if check.outcome == "fail"]


def test_everything_passes_here(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["selftest"]) == 0
    told = capsys.readouterr().out
    assert "inception on cpu: golden features" in told
    assert " 0 fail" in told
    assert "--weights inception=FILE" in told


def test_an_altered_file_of_the_zoo_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    zoo = tmp_path / "zoo"
    shutil.copytree(find_zoo() / "probes", zoo / "probes")
    weights = zoo / "probes" / "frame-probe" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\0")
    monkeypatch.setenv("IVBENCH_ZOO", str(zoo))
    monkeypatch.setattr(module, "_golden", lambda *args: "not run")
    assert main(["selftest"]) == 1
    assert "model.safetensors" in capsys.readouterr().out


def test_a_metric_that_computes_something_else_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_golden", lambda *args: "not run")
    monkeypatch.setattr(module, "frechet_distance", lambda a, b: 6.001)
    assert failed(list(selftest())) == [
        "Frechet distance: closed form",
        "Frechet distance: equal singular statistics",
    ]


def test_a_network_that_computes_something_else_and_a_device_that_is_not_there_fail(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "golden_clip", lambda: np.full((16, 48, 64, 3), 7, np.uint8))
    assert failed(list(selftest())) == ["inception on cpu: golden features", "i3d on cpu: golden features"]
    assert len(failed(list(selftest("cuda:99")))) == 2
