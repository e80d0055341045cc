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
from tests.peers.material import i3d_file, inception_file


@pytest.fixture(autouse=True)
def no_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IVBENCH_WEIGHTS", str(tmp_path / "weights"))


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without what has a test of its own: libraries, CLIP's weights."""
    monkeypatch.setattr(module, "_libraries", lambda: iter(()))
    monkeypatch.setattr(module, "_clip_models", list)


def failed(checks: list[Check]) -> list[str]:
    return [check.name for check in checks if check.outcome == "fail"]


def test_everything_passes_here(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["selftest"]) == 0
    told = capsys.readouterr().out
    assert "inception on cpu: golden features" in told
    assert " 0 fail" in told
    assert "--weights inception=FILE" in told


@pytest.mark.usefixtures("quick")
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


def broken(folder: Path, name: str, module: str, code: str) -> None:
    """A distribution that is installed, with a module of this code."""
    (folder / f"{name}-9.9.dist-info").mkdir(parents=True)
    (folder / f"{name}-9.9.dist-info" / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 9.9\n")
    (folder / f"{module}.py").write_text(code)


def test_a_library_that_cannot_be_imported_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken(tmp_path, "onnxruntime", "onnxruntime", "raise ImportError('libfoo.so is not there')")
    broken(tmp_path, "av", "av", "import os; os.abort()")
    broken(tmp_path, "tensorflow", "tensorflow", "")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=":")
    monkeypatch.syspath_prepend(tmp_path)
    found = {check.name: check for check in module._libraries()}
    assert [name for name, check in found.items() if check.outcome == "fail"] == ["library av", "library onnxruntime"]
    assert "ImportError: libfoo.so is not there" in found["library onnxruntime"].detail
    assert "its import ends the process" in found["library av"].detail
    assert found["library tensorflow"] == Check("library tensorflow", "pass", "9.9")


@pytest.mark.usefixtures("quick")
def test_weights_that_are_corrupt_fail_and_others_pass(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(module, "_golden", lambda *args: "not run")
    folder = tmp_path / "weights"
    folder.mkdir()
    names = {"inception": "pt_inception-2015-12-05-6726825d.pth", "i3d": "i3d_pretrained_400.pt"}
    inception_file(tmp_path).rename(folder / names["inception"])
    (folder / names["i3d"]).write_bytes(i3d_file(tmp_path).read_bytes()[:100_000])
    assert module._weights("inception").outcome == "pass"
    assert module._weights("inception").detail.endswith("none is known; it loads")
    cut = module._weights("i3d")
    assert cut.outcome == "fail"
    assert str(folder / names["i3d"]) in cut.detail
    assert "\n" not in cut.detail
    assert main(["selftest"]) == 1
    assert " 1 fail" in capsys.readouterr().out


@pytest.mark.usefixtures("quick")
def test_a_metric_that_computes_something_else_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_golden", lambda *args: "not run")
    monkeypatch.setattr(module, "frechet_distance", lambda a, b: 6.001)
    assert failed(list(selftest())) == [
        "Frechet distance: closed form",
        "Frechet distance: equal singular statistics",
    ]


@pytest.mark.usefixtures("quick")
def test_a_network_that_computes_something_else_and_a_device_that_is_not_there_fail(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "golden_clip", lambda: np.full((16, 48, 64, 3), 7, np.uint8))
    assert failed(list(selftest())) == ["inception on cpu: golden features", "i3d on cpu: golden features"]
    assert len(failed(list(selftest("cuda:99")))) == 2
