"""The TF-Hub I3D's way in, on a TF1-format module that the test makes; needs TensorFlow: tox -e tfhub."""

from __future__ import annotations

import hashlib
import tarfile
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tensorflow")
pytest.importorskip("torch")


from ivbench.config import profile
from ivbench.errors import ConfigError
from ivbench.extractors import find_weights
from ivbench.extractors.tfhub import TensorFlowProcess
from ivbench.extractors.torch_i3d_tfhub import I3DTFHub
from tests.tfhub import tiny
from tests.tfhub.scoring import google_fvd

pytestmark = pytest.mark.filterwarnings("ignore")  # of TensorFlow, on today's libraries

CHOICE = profile("google-fvd").network("clips")


@pytest.fixture(scope="module")
def module(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.write_module(tmp_path_factory.mktemp("hub") / "module")


def test_features_are_the_modules_whatever_the_batch(module: Path) -> None:
    extractor = I3DTFHub(find_weights("i3d-tfhub", {"i3d-tfhub": module}), CHOICE)
    clips = tiny.videos()["generated"][:6]
    found = extractor.extract_many(clips)
    assert [part.shape for part in found] == [(400,)] * 6
    np.testing.assert_allclose(found[5], extractor.extract(clips[5][None])[0], atol=1e-6)
    pixels = np.stack([extractor._pixels(clip).permute(0, 2, 3, 1).numpy() for clip in clips])
    np.testing.assert_allclose(np.stack(found), tiny.features(pixels), atol=1e-5)


def test_an_archive_and_the_hubs_cache_are_the_same_module(
    module: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = tmp_path / "module.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(module, arcname=".")
    name = hashlib.sha1(b"https://tfhub.dev/deepmind/i3d-kinetics-400/1").hexdigest()
    (tmp_path / name).symlink_to(module)
    monkeypatch.setenv("TFHUB_CACHE_DIR", str(tmp_path))
    monkeypatch.setenv("IVBENCH_WEIGHTS", str(tmp_path / "none"))
    kept = find_weights("i3d-tfhub")
    assert kept.path == tmp_path / name
    clip = tiny.videos()["reference"][0][None]
    both = [I3DTFHub(w, CHOICE).extract(clip) for w in (kept, find_weights("i3d-tfhub", {"i3d-tfhub": archive}))]
    np.testing.assert_array_equal(*both)


def test_google_fvd_is_the_frozen_number_of_their_code(module: Path, tmp_path: Path) -> None:
    score, expected = google_fvd(module, tmp_path)
    assert score.value == pytest.approx(expected, rel=1e-4)


def test_a_module_without_the_tensor_and_a_folder_without_a_module_are_refused(module: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"TensorFlow can't run .*module"):
        TensorFlowProcess(module, "input_frames:0", "RGB/inception_i3d/Logits:0")
    with pytest.raises(ConfigError, match="TensorFlow can't run"):
        TensorFlowProcess(tmp_path, "input_frames:0", tiny.OUTPUT)
