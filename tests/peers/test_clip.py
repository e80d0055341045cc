"""CLIP score: torchmetrics' own code on transformers' CLIP, and the profile of its name on open_clip's."""

from __future__ import annotations

import json
from pathlib import Path

import clip_material
import material
import numpy as np
import packages
import pytest

for _needed in ("torchmetrics", "transformers"):
    pytest.importorskip(_needed)
pytestmark = pytest.mark.filterwarnings("ignore")  # of the packages, on today's libraries

from ivbench.config import profile  # noqa: E402 - after the packages were found
from ivbench.results.store import Store  # noqa: E402
from ivbench.run import Silent  # noqa: E402
from ivbench.run.folder_extraction import Choices  # noqa: E402
from ivbench.run.folder_scoring import FolderRequest, score_folders  # noqa: E402

GOLDEN = Path(__file__).parents[1] / "golden" / "peers.npz"


@pytest.mark.parametrize("last", ["a rocket, 3 clouds & a tower", clip_material.LONG, clip_material.WILD])
def test_torchmetrics_clip_score_is_theirs(last: str, tmp_path: Path) -> None:
    with np.load(GOLDEN) as arrays:  # crops of photographs whose score under these weights is above 0
        images = [arrays[f"generated_image_{i}"] for i in range(4)]
    captions = [*clip_material.CAPTIONS[:3], last]
    theirs = packages.torchmetrics_clip_score(images, captions)
    folder = material.write_images(tmp_path / "generated", images)
    named = dict(zip(sorted(path.name for path in folder.iterdir()), captions, strict=True))
    (tmp_path / "captions.json").write_text(json.dumps(named))
    choices = Choices(profile("torchmetrics-clipscore"), {"clip": clip_material.clip_folder(tmp_path / "clip")})
    request = FolderRequest(folder, None, ("clip_score",), choices, str(tmp_path / "captions.json"))
    found = score_folders(request, Store(tmp_path / "store"), Silent(), tmp_path / "out", "test")
    assert theirs > 0
    assert found.results.cells[0].scores[0].value == pytest.approx(theirs, rel=1e-4)
