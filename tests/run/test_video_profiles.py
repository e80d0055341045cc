"""FVD of published code that is in no registry, from files to the number, against that code's frozen numbers."""

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
from ivbench.run.folder_scoring import FolderRequest, folder_score
from tests.peers.material import i3d_file, stylegan_file, write_videos

GOLDEN = Path(__file__).parents[1] / "golden"
VALUES = json.loads((GOLDEN / "sources.json").read_text(encoding="utf-8"))["values"]
TOLERANCES = {
    "common-metrics-styleganv": 1e-5,
    "common-metrics-videogpt": 1e-3,  # it takes the root of two videos' covariance by SVD in float32
    "fastvideo": 1e-6,
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("video-profiles")
    with np.load(GOLDEN / "peers.npz") as arrays:
        for side in ("generated", "reference"):
            write_videos(found / side, [arrays[f"{side}_video_{i}"] for i in range(2)])
    i3d_file(found)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scripting warns of its own age
        stylegan_file(found)
    return found


def scored(folder: Path, chosen: Profile) -> Score:
    weights = {"i3d": folder / "i3d.pt", "i3d-torchscript": folder / "i3d_torchscript.pt"}
    request = FolderRequest(folder / "generated", folder / "reference", ("fvd",), Choices(chosen, weights))
    return folder_score(request, Store(folder / "store"), Silent())


@pytest.mark.parametrize("name", TOLERANCES)
def test_fvd_is_their_codes(name: str, folder: Path) -> None:
    assert scored(folder, profile(name)).value == pytest.approx(VALUES[name], rel=TOLERANCES[name])


def test_a_ridge_stands_in_the_protocol_alone_where_there_is_one(folder: Path) -> None:
    chosen = profile("fastvideo")
    assert scored(folder, chosen).fields["ridge"] == 1e-6
    plain = scored(folder, chosen.model_copy(update={"name": "plain", "ridge": 0.0}))
    assert "ridge" not in plain.fields
    wide = scored(folder, chosen.model_copy(update={"name": "wide", "ridge": 1.0}))
    assert abs(wide.value / plain.value - 1) > 1e-3
