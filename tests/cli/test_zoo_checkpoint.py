"""`ivbench zoo import` and `ivbench zoo export`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ivbench.cli.main import main
from ivbench.config import read_yaml
from tests.unit.adapters.foreign import FOREIGN_RULES, foreign, weights, write_card

pytest.importorskip("msgpack")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_card(tmp_path, {"key_map": FOREIGN_RULES}, stages=1)
    return tmp_path


def save(name: str, arrays: dict[str, Any]) -> None:
    np.savez(name, **{f"ema_params/{key}": array for key, array in arrays.items()})


IMPORT = ["zoo", "import", "x.npz", "--card", "card.yaml", "--out", "mine"]


@pytest.mark.parametrize(("name", "made"), [("torch", "mine.pt"), ("flax", "mine.msgpack"), ("npz", "mine.npz")])
def test_import_shows_the_audit_and_export_the_file(
    name: str, made: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("torch")
    save("x.npz", foreign(weights()))
    assert main(IMPORT) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines[0] == ["stage", "weights", "matched", "missing", "unexpected", "cast", "reshaped"]
    assert lines[1] == ["base", "ema_params", "(EMA)", "84", "0", "0", "0", "0"]
    assert lines[2] == ["mine"]
    assert main(["zoo", "export", "./mine", "--format", name]) == 0
    assert capsys.readouterr().out == f"{made}\n"
    (folder / "again").mkdir()
    card = write_card(folder / "again", stages=1)
    assert main(["zoo", "import", made, "--card", str(card), "--out", "again/mine"]) == 0
    files = [folder / where / "mine" / "base.safetensors" for where in ("", "again")]
    assert files[0].read_bytes() == files[1].read_bytes()


@pytest.mark.usefixtures("folder")
def test_every_tensor_that_does_not_fit_has_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    arrays = foreign(weights())
    for name in ("stem.bias", "head.bias", "down.0.0.conv1.bias", "down.0.0.conv2.bias"):
        del arrays[name]
    save("x.npz", {**arrays, "old": np.ones(2)})
    assert main(IMPORT) == 2
    error = capsys.readouterr().err.splitlines()
    assert error[:2] == [
        "base: missing stem.bias: zero in a partial load",
        "base: missing down.0.0.conv1.bias: zero in a partial load",
    ]
    assert error[4] == "base: unexpected ema_params.old"
    assert error[5].startswith('Error: the checkpoint does not fit the cascade: stage "base": 4 missing, 1 unexpected')
    assert len(error) == 6
    assert not Path("mine").exists()


@pytest.mark.usefixtures("folder")
def test_a_partial_load_is_said_everywhere(capsys: pytest.CaptureFixture[str]) -> None:
    arrays = foreign(weights())
    del arrays["head.bias"]
    save("x.npz", arrays)
    assert main([*IMPORT, "--allow-partial"]) == 0
    captured = capsys.readouterr()
    assert "base: missing head.bias" in captured.err
    assert "Warning: a partial load (base): every number of a run will say so." in captured.err
    assert captured.out.splitlines()[1].split()[-5:] == ["83", "1", "0", "0", "0"]
    assert read_yaml(Path("mine/card.yaml"))["partial"] == {"base": "1 missing"}
    assert main(["zoo", "show", "./mine"]) == 0
    assert "loaded in part: base: 1 missing" in capsys.readouterr().out


class Payload:
    """Makes a folder when it is unpickled."""

    def __reduce__(self) -> Any:
        return os.mkdir, ("mark",)


def test_a_pickle_is_refused_and_trust_warns(folder: Path) -> None:
    box = np.empty((), object)
    box[()] = Payload()
    np.savez("x.npz", **{"base/stem/weight": box})
    runs = [
        subprocess.run(
            [sys.executable, "-m", "ivbench", *IMPORT, *options],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        for options in ([], ["--trust-pickle"])
        if not (folder / "mark").exists()
    ]
    refused, trusted = runs
    assert refused.returncode == 2
    assert refused.stderr.count("\n") == 1
    assert "is an array of objects, which is a pickle" in refused.stderr
    assert "--trust-pickle runs whatever code it holds" in refused.stderr
    warning = "Warning: --trust-pickle: a pickle in x.npz runs whatever code it holds, with your rights."
    assert trusted.stderr.splitlines()[0] == warning
    assert (folder / "mark").exists()


@pytest.mark.usefixtures("folder")
def test_a_missing_library_says_the_pip_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "einops", None)
    save("x.npz", foreign(weights()))
    assert main(IMPORT) == 2
    assert 'pip install "ivbench[zoo]"' in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "orbax", None)
    (Path("x") / "0").mkdir(parents=True)
    (Path("x") / "0" / "_METADATA").touch()
    assert main(["zoo", "import", "x", *IMPORT[3:]]) == 2
    assert 'pip install "ivbench[flax]"' in capsys.readouterr().err
