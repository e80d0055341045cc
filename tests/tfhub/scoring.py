"""The profile google-fvd from files to the number, whatever stands in for TF-Hub's module."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from ivbench.config import profile
from ivbench.results.schema import Score
from ivbench.results.store import Store
from ivbench.run import Silent
from ivbench.run.folder_extraction import Choices
from ivbench.run.folder_scoring import FolderRequest, score_folders
from tests.tfhub import tiny


def google_fvd(module: Path, folder: Path) -> tuple[Score, float]:
    """The score of google-fvd on the tiny videos, by a module in the place of TF-Hub's, and the frozen number."""
    for side, clips in tiny.videos().items():
        (folder / side).mkdir()
        for number, video in enumerate(clips):
            np.save(folder / side / f"{number:03}.npy", video)
    expected = json.loads((tiny.GOLDEN / "google.json").read_text(encoding="utf-8"))["values"]["google-fvd"]
    choices = Choices(profile("google-fvd"), {"i3d-tfhub": module})
    request = FolderRequest(folder / "generated", folder / "reference", ("fvd",), choices)
    found = score_folders(request, Store(folder / "store"), Silent(), folder / "out", "test")
    return found.results.cells[0].scores[0], expected
