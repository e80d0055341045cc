"""FVD as StyleGAN-V computes it, from files to the number, against its own code's frozen numbers."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import numpy as np
import pytest

from ivbench.config import Profile, profile
from ivbench.results.schema import Score
from ivbench.results.store import Store
from ivbench.run import Silent
from ivbench.run.folder_extraction import Choices
from ivbench.run.folder_scoring import FolderRequest, score_folders
from tests.peers.material import long_videos, stylegan_file, write_videos

GOLDEN = Path(__file__).parents[1] / "golden"
VALUES = json.loads((GOLDEN / "sources.json").read_text(encoding="utf-8"))["values"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("stylegan-v")
    with np.load(GOLDEN / "peers.npz") as arrays:
        short = {side: [arrays[f"{side}_video_{i}"] for i in range(2)] for side in ("generated", "reference")}
    for side, videos in long_videos(**short).items():
        write_videos(found / side, videos)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scripting warns of its own age
        stylegan_file(found)
    return found


def scored(folder: Path, chosen: Profile, tmp_path: Path) -> Score:
    choices = Choices(chosen, {"i3d-torchscript": folder / "i3d_torchscript.pt"})
    request = FolderRequest(folder / "generated", folder / "reference", ("fvd",), choices)
    found = score_folders(request, Store(tmp_path / "store"), Silent(), tmp_path / "out", "test")
    return found.results.cells[0].scores[0]


@pytest.mark.parametrize(("name", "reference"), [("16f", 5), ("128f", 4), ("128f-subsample8", 4)])
def test_fvd_is_their_codes(name: str, reference: int, folder: Path, tmp_path: Path) -> None:
    score = scored(folder, profile(f"stylegan-v-2048-{name}"), tmp_path)
    assert score.value == pytest.approx(VALUES[f"stylegan-v-2048-{name}"], rel=1e-4)
    assert (score.counts.used, score.counts.reference) == (5, reference)  # their code drops the video of 122 frames


def test_the_first_videos_that_are_long_enough_are_taken(folder: Path, tmp_path: Path) -> None:
    whole = profile("stylegan-v-2048-128f")
    assert whole.clip is not None
    few = whole.model_copy(update={"clip": whole.clip.model_copy(update={"videos": 2})})
    score = scored(folder, few, tmp_path)
    assert (score.counts.used, score.counts.reference) == (2, 2)
    said = " ".join(score.notes)
    assert "3 generated videos behind the first 2 are passed over" in said
    assert "2 reference videos behind the first 2 are passed over" in said  # the second was too short
    assert "1 reference videos are too short for a clip" in said
    assert "of the first 2 videos" in str(score.fields["clip"])
