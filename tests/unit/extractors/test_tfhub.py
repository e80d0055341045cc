"""The process of TensorFlow, its errors, and google-fvd end to end, with a stand-in in NumPy."""

from __future__ import annotations

import importlib.util
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest

from ivbench.config import profile
from ivbench.errors import ConfigError, MissingDependencyError, UnreadableError
from ivbench.extractors import find_weights
from ivbench.extractors.tfhub import PYTHON_VARIABLE, TensorFlowProcess, unpacked
from ivbench.extractors.torch_i3d_tfhub import I3DTFHub
from tests.tfhub.scoring import google_fvd

FOLDER = Path(__file__).parents[2] / "tfhub"
OUTPUT = "RGB/inception_i3d/Mean:0"


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the mark of the TF1 format; the stand-in's network is its own."""
    monkeypatch.setattr("ivbench.extractors.tfhub._PROGRAM", FOLDER / "numpy_worker.py")
    (tmp_path / "module").mkdir()
    (tmp_path / "module" / "tfhub_module.pb").write_bytes(b"\x08\x03")
    return tmp_path / "module"


def test_google_fvd_is_the_frozen_number_of_their_code(module: Path, tmp_path: Path) -> None:
    score, expected = google_fvd(module, tmp_path)
    assert score.value == pytest.approx(expected, rel=1e-4)
    assert "i3d-tfhub, unverified weights" in score.label


def test_what_tensorflow_says_reaches_the_user_and_its_process_ends(module: Path) -> None:
    weights = find_weights("i3d-tfhub", {"i3d-tfhub": module})
    extractor = I3DTFHub(weights, profile("google-fvd").network("clips"))
    process = extractor._process
    with pytest.raises(ConfigError, match=r"TensorFlow can't run .*module: ResourceExhaustedError: OOM"):
        process.run(np.zeros((1, 101, 224, 224, 3), np.float32))
    with pytest.raises(ConfigError, match="ended without a word"):
        TensorFlowProcess(module.parent, "input_frames:0", OUTPUT)  # no module there: the stand-in dies
    assert process._process.poll() is not None
    popen = TensorFlowProcess(module, "input_frames:0", OUTPUT)._process
    assert popen.poll() is not None  # the object is gone, and so is its process


def test_another_module_is_another_digest_and_an_archive_cannot_leave_its_folder(module: Path, tmp_path: Path) -> None:
    before = find_weights("i3d-tfhub", {"i3d-tfhub": module}).digest
    (module / "saved_model.pb").write_bytes(b"graph")
    assert find_weights("i3d-tfhub", {"i3d-tfhub": module}).digest != before
    with tarfile.open(tmp_path / "evil.tar.gz", "w:gz") as archive:
        archive.add(module / "saved_model.pb", arcname="../outside.pb")
    (tmp_path / "into").mkdir()
    with pytest.raises(UnreadableError, match="no archive of a TF-Hub module"):
        unpacked(tmp_path / "evil.tar.gz", tmp_path / "into")
    assert not (tmp_path / "outside.pb").exists()
    (tmp_path / "text.tar.gz").write_text("nothing")
    with pytest.raises(UnreadableError):
        unpacked(tmp_path / "text.tar.gz", tmp_path / "into")


@pytest.mark.skipif(importlib.util.find_spec("tensorflow") is not None, reason="TensorFlow is installed")
def test_without_tensorflow_the_pip_line_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(MissingDependencyError, match=r'pip install "ivbench\[tfhub\]"'):
        TensorFlowProcess(tmp_path, "input_frames:0", OUTPUT)
    monkeypatch.setenv(PYTHON_VARIABLE, str(tmp_path / "no-python"))
    with pytest.raises(ConfigError, match=f"{PYTHON_VARIABLE} is .*no-python, which does not start"):
        TensorFlowProcess(tmp_path, "input_frames:0", OUTPUT)


def test_the_program_runs_alone(tmp_path: Path) -> None:
    """It is handed to another Python, which need not have ivbench."""
    source = (Path(sys.modules["ivbench"].__file__ or "").parent / "extractors" / "tfhub_worker.py").read_text()
    assert "import ivbench" not in source
    assert "from ivbench" not in source
