"""`--memory`: sizes, batches, and that the peak of memory does not grow with the number of videos."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from ivbench.cli.main import main
from ivbench.config import profile
from ivbench.errors import ConfigError
from ivbench.extractors import load_extractor
from ivbench.results.store import Store
from ivbench.run import Silent
from ivbench.run.folder_extraction import Choices, Extraction
from ivbench.run.memory_budget import MemoryBudget
from tests.peers.material import i3d_file, inception_file

MIB = 1 << 20
FRAMES = (16, 48, 64, 3)
PEAKS = """
import resource, sys
from pathlib import Path
import numpy as np
from ivbench.results.store import Store
from ivbench.run.folder_features import extract_folder
from ivbench.run.folder_items import find_items
from ivbench.run.memory_budget import MemoryBudget
from ivbench.run.progress import Silent

class Means:
    name, digest, kind, dim, preprocess = "means", "0" * 64, "clips", 3, "none"
    def extract(self, videos):
        return videos.mean(axis=(1, 2, 3), dtype=np.float32)

folder = Path(sys.argv[1])
items = find_items(folder / "videos")
for count in (100, 250, 400):
    store = Store(folder / f"store{count}")
    found = extract_folder(items[:count], Means(), None, False, store, Silent(), "x", MemoryBudget(256 << 20))
    assert len(found.features) == count
    print(count, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def test_the_peak_of_memory_is_flat_in_the_number_of_videos(tmp_path: Path) -> None:
    (tmp_path / "videos").mkdir()
    draw = np.random.default_rng(0)
    for place in range(400):
        np.save(tmp_path / "videos" / f"{place}.npy", draw.integers(0, 256, FRAMES, dtype=np.uint8))
    done = subprocess.run([sys.executable, "-c", PEAKS, str(tmp_path)], capture_output=True, text=True, check=True)
    counts, peaks = np.array([line.split() for line in done.stdout.splitlines()], np.float64).T
    slope = 1024 * np.polyfit(counts, peaks, 1)[0]  # ru_maxrss is in KiB
    assert slope < 0.1 * np.prod(FRAMES), done.stdout


@pytest.mark.parametrize(("text", "size"), [("2GiB", 2048), ("800M", 800), (" 1.5 g", 1536), ("1tb", 1 << 20)])
def test_sizes_are_read_as_people_write_them(text: str, size: int) -> None:
    assert MemoryBudget.parsed(text).total == size * MIB


@pytest.mark.parametrize("text", ["", "2", "-1G", "2 GHz", "100M", "nan G"])
def test_other_sizes_are_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="--memory got"):
        MemoryBudget.parsed(text)


def test_the_command_says_it_in_one_line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    asked = ["score", "--generated", str(tmp_path), "--reference", str(tmp_path), "--memory", "much"]
    assert main(asked) == 2
    assert 'Error: --memory got "much".' in capsys.readouterr().err


def test_a_batch_is_lowered_to_what_half_of_the_budget_holds() -> None:
    MemoryBudget(4096 * MIB).limit(other := SimpleNamespace(name="other", batch=32))
    assert other.batch == 32
    MemoryBudget(256 * MIB).limit(other)
    assert other.batch == 4
    MemoryBudget().limit(SimpleNamespace(name="judge"))


@pytest.mark.parametrize(
    ("network", "profiled", "fits"), [("inception", "torch-fidelity", 6), ("i3d", "cd-fvd-i3d", 1)]
)
def test_networks_with_unverified_weights_are_lowered_too(
    network: str, profiled: str, fits: int, tmp_path: Path
) -> None:
    """They are called otherwise, and were taken for small networks: three times the memory for I3D."""
    make = {"inception": inception_file, "i3d": i3d_file}[network]
    choices = Choices(profile(profiled), {network: make(tmp_path)}, memory=MemoryBudget(256 * MIB))
    extraction = Extraction(choices, Store(tmp_path / "store"), Silent())
    found = extraction.extractor("frames" if network == "inception" else "clips")
    assert "unverified" in found.name
    assert found.batch == fits  # type: ignore[attr-defined]


def test_clips_batch_is_lowered_and_changes_no_embedding(shipped: Path) -> None:
    clip = load_extractor(shipped / "clip-probe")
    frames = np.random.default_rng(0).integers(0, 256, (1, 20, 24, 40, 3), dtype=np.uint8)
    whole = clip.extract(frames)
    MemoryBudget(256 * MIB).limit(clip)
    assert clip.batch == 2  # type: ignore[attr-defined]
    np.testing.assert_allclose(clip.extract(frames), whole, atol=1e-6)


def test_large_videos_are_not_read_ahead() -> None:
    budget = MemoryBudget(256 * MIB)
    assert [budget.ahead(size * MIB, 2) for size in (0, 1, 16, 20, 100)] == [2, 2, 2, 1, 0]
