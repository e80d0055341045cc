"""Features of the same files and random weights: seconds of ivbench and of the packages, by turns in one run.

tox exec -e peers -- python -m pytest tests/peers/test_speed.py --benchmark-enable --benchmark-only

It takes a quarter of an hour on an idle machine.

1,000 images, and 100 clips of 16 frames. `extra_info` holds the items a second, how many times as fast ivbench is as a
package, and the share of ivbench's time that its network takes.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import material
import packages
import pytest
import torch
from PIL import Image
from pytest_benchmark.fixture import BenchmarkFixture

for _needed in ("pytorch_fid", "torch_fidelity", "cdfvd", "skimage"):
    pytest.importorskip(_needed)
pytestmark = pytest.mark.filterwarnings("ignore")  # of the packages, on today's libraries

from ivbench import config  # noqa: E402 - after the packages were found
from ivbench.extractors.torch_network import NetworkExtractor  # noqa: E402
from ivbench.results.store import Store  # noqa: E402
from ivbench.run import Silent  # noqa: E402
from ivbench.run.folder_extraction import Choices, Extraction  # noqa: E402

IMAGES, CLIPS, FRAMES = 1_000, 100, 16
SECONDS: dict[str, float] = {}
"""(profile) -> seconds of ivbench, which is measured first."""


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """1,000 PNG of 256x256, 100 folders of 17 PNG of 128x128 (cd-fvd passes over folders of 16), and weights."""
    folder, photos = tmp_path_factory.mktemp("speed"), material.photographs()
    material.write_images(folder / "images", material.crops(IMAGES, 1, 0.0, photos, (256, 257)))
    for number, video in enumerate(material.pans(CLIPS, 2, 0.0, photos, FRAMES + 1, (128, 128))):
        material.write_images(folder / "clips" / f"{number:03}", list(video))
    material.inception_file(folder)
    material.i3d_file(folder)
    return folder


def ours(files: Path, kind: Any, side: str, profile: str) -> tuple[Callable[[], object], dict[str, float]]:
    """What computes a folder's features anew, and the seconds of its network's passes, added up as it runs."""
    spent = {"network": 0.0}
    choices = Choices(config.profile(profile), {"inception": files / "inception.pth", "i3d": files / "i3d.pt"})
    extraction = Extraction(choices, Store(files / f"store-{profile}"), Silent())
    extractor = extraction.extractor(kind)
    assert isinstance(extractor, NetworkExtractor)
    own = extractor._run

    def timed(batch: torch.Tensor) -> torch.Tensor:
        started = time.perf_counter()
        found = own(batch)
        spent["network"] += time.perf_counter() - started
        return found

    extractor._run = timed  # type: ignore[method-assign]
    return lambda: extraction.features(kind, files / side, is_reference=False), spent


def pytorch_fid(files: Path) -> Callable[[], object]:
    from pytorch_fid.fid_score import get_activations
    from pytorch_fid.inception import InceptionV3

    state = torch.load(files / "inception.pth", weights_only=True)
    with mock.patch("pytorch_fid.inception.load_state_dict_from_url", return_value=state):
        net = InceptionV3([InceptionV3.BLOCK_INDEX_BY_DIM[2048]])
    paths = sorted((files / "images").iterdir())
    return lambda: get_activations(paths, net, num_workers=2)


def torch_fidelity(files: Path) -> Callable[[], object]:
    from torch_fidelity.utils import create_feature_extractor, extract_featuresdict_from_input_id

    asked = {"input1": str(files / "images"), "cuda": False, "batch_size": 64, "verbose": False, "save_cpu_ram": False}
    weights = str(files / "inception.pth")
    net = create_feature_extractor("inception-v3-compat", ["2048"], cuda=False, feature_extractor_weights_path=weights)
    return lambda: extract_featuresdict_from_input_id(1, net, **asked)


def cd_fvd(files: Path) -> Callable[[], object]:
    from cdfvd import fvd

    Image.ANTIALIAS = Image.LANCZOS  # type: ignore[attr-defined] - its loader names what Pillow has renamed
    scorer = fvd.cdfvd("i3d", n_real="full", n_fake="full", ckpt_path=str(files / "i3d.pt"), device="cpu")
    given = {"resolution": 256, "sequence_length": FRAMES, "data_type": "image_folder", "num_workers": 2}
    return lambda: scorer.compute_real_stats(scorer.load_videos(str(files / "clips"), **given))


def measured(benchmark: BenchmarkFixture, work: Callable[[], object], count: int) -> float:
    with packages.quiet():
        benchmark.pedantic(work, rounds=1)
    seconds = float(benchmark.stats.stats.median)
    benchmark.extra_info["items_a_second"] = count / seconds
    return seconds


@pytest.mark.benchmark(group="throughput")
@pytest.mark.parametrize(
    ("profile", "kind", "side", "count"),
    [("pytorch-fid", "frames", "images", IMAGES), ("cd-fvd-i3d", "clips", "clips", CLIPS)],
)
def test_features_by_ivbench(
    profile: str, kind: str, side: str, count: int, files: Path, benchmark: BenchmarkFixture
) -> None:
    if not benchmark.enabled:
        pytest.skip("it takes minutes")
    work, spent = ours(files, kind, side, profile)
    SECONDS[profile] = measured(benchmark, work, count)
    benchmark.extra_info["share_of_the_network"] = spent["network"] / SECONDS[profile]


@pytest.mark.benchmark(group="throughput")
@pytest.mark.parametrize(
    ("profile", "make", "count"),
    [("pytorch-fid", pytorch_fid, IMAGES), ("pytorch-fid", torch_fidelity, IMAGES), ("cd-fvd-i3d", cd_fvd, CLIPS)],
)
def test_features_by_the_package(
    profile: str, make: Callable[[Path], Callable[[], object]], count: int, files: Path, benchmark: BenchmarkFixture
) -> None:
    if not benchmark.enabled:
        pytest.skip("it takes minutes")
    seconds = measured(benchmark, make(files), count)
    benchmark.extra_info["ivbench_times_as_fast"] = seconds / SECONDS[profile]
