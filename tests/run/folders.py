"""Folders of noise, and their scores by a probe."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np

from ivbench.config import profile
from ivbench.results.store import Store
from ivbench.run import Silent
from ivbench.run.folder_extraction import Choices
from ivbench.run.folder_scoring import FolderRequest, score_folders
from ivbench.run.pipeline import Outcome
from tests.peers.material import write_videos

__all__ = ["PROBED", "run", "scored", "videos"]

PROBED = Choices(profile("ivbench"), {}, "video-probe")


def videos(folder: Path, count: int, seed: int, frames: int = 8) -> Path:
    """A folder of noise: 000.npy and so on, of 24x40."""
    draw = np.random.default_rng(seed)
    return write_videos(folder, list(draw.integers(0, 256, (count, frames, 24, 40, 3), dtype=np.uint8)))


def scored(tmp_path: Path, metrics: tuple[str, ...] = ("fvd",), extractor: str = "video-probe") -> Outcome:
    """Folder `gen` against folder `ref`."""
    request = FolderRequest(tmp_path / "gen", tmp_path / "ref", metrics, Choices(profile("ivbench"), {}, extractor))
    return score_folders(request, Store(tmp_path / "store"), Silent(), tmp_path / "out", "test")


def run(*arguments: str, folder: Path, name: str = "score") -> subprocess.CompletedProcess[str]:
    """A command of ivbench in a process of its own, in a folder, with the store beside it."""
    command = [sys.executable, "-m", "ivbench", *name.split(), *arguments]
    command += [] if name == "metric list" else ["--store", "store"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=120)
