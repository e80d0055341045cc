"""FVD of clips: cd-fvd's own resize, network, statistics and distance, and the profile of its name."""

from __future__ import annotations

from pathlib import Path

import material
import packages
import pytest

for _needed in ("cdfvd", "skimage"):
    pytest.importorskip(_needed)
pytestmark = pytest.mark.filterwarnings("ignore")  # of the packages, on today's libraries

from ivbench.config import profile  # noqa: E402 - after the packages were found
from ivbench.results.store import Store  # noqa: E402
from ivbench.run import Silent  # noqa: E402
from ivbench.run.folder_extraction import Choices  # noqa: E402
from ivbench.run.folder_scoring import FolderRequest, score_folders  # noqa: E402


def test_cd_fvd_i3d_gives_its_packages_fvd(tmp_path: Path) -> None:
    photos = material.photographs()
    generated, reference = material.pans(4, 1, 10.0, photos), material.pans(5, 2, 0.0, photos)
    weights = material.i3d_file(tmp_path)
    theirs = packages.cd_fvd(generated, reference, weights)
    request = FolderRequest(
        material.write_videos(tmp_path / "generated", generated),
        material.write_videos(tmp_path / "reference", reference),
        ("fvd",),
        Choices(profile("cd-fvd-i3d"), {"i3d": weights}),
    )
    found = score_folders(request, Store(tmp_path / "store"), Silent(), tmp_path / "out", "test")
    assert found.results.cells[0].scores[0].value == pytest.approx(theirs, rel=1e-5)
