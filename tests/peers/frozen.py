"""Differences to numbers that were frozen where the code they come from can run: measured in any environment."""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import clip_material
import material
import numpy as np

from ivbench import config
from ivbench.results.schema import Score
from ivbench.results.store import Store
from ivbench.run import Silent
from ivbench.run.folder_extraction import Choices
from ivbench.run.folder_scoring import FolderRequest, score_folders

sys.path.insert(0, str(Path(__file__).parents[1] / "tfhub"))

import tiny

GOLDEN = Path(__file__).parents[1] / "golden"
FROZEN = ", frozen"
_FLOAT32 = "features in float32"
Row = dict[str, Any]


def rows(folder: Path) -> list[Row]:
    """One row a profile."""
    warnings.simplefilter("ignore")
    return [*_of_captions(folder), *_of_videos(folder), *_google(folder), *_vbench(folder)]


def _read(name: str) -> dict[str, Any]:
    return dict(json.loads((GOLDEN / f"{name}.json").read_text(encoding="utf-8"))["values"])


def _score(folder: Path, metric: str, choices: Choices, sides: list[Path], captions: Path | None = None) -> Score:
    reference = sides[1] if len(sides) > 1 else None
    request = FolderRequest(sides[0], reference, (metric,), choices, None if captions is None else str(captions))
    return (
        score_folders(request, Store(folder / "store"), Silent(), folder / "out", "precision")
        .results.cells[0]
        .scores[0]
    )


_FLOAT32_ROOT = (
    "few videos, whose covariance it takes the root of in float32: 1.4e-4 between one thread and two, 2.5e-7 in float64"
)


def _row(what: str, profile: str, against: str, theirs: float, ours: float, reason: str = _FLOAT32) -> Row:
    difference = abs(theirs - ours) / abs(theirs)
    said = f"{what}, profile `{profile}`"
    return {"what": said, "against": against + FROZEN, "difference": difference, "reason": reason}


def _arrays() -> dict[str, Any]:
    with np.load(GOLDEN / "peers.npz") as held:
        return dict(held)


def _of_captions(folder: Path) -> Iterator[Row]:
    arrays, sources, packages = _arrays(), _read("sources"), _read("peers")
    images = [arrays[f"generated_image_{i}"] for i in range(4)]
    every = [*images, *(arrays[f"reference_image_{i}"] for i in range(4))]
    many = clip_material.many(every)
    long = [*clip_material.CAPTIONS[:3], clip_material.LONG]
    hits = (1 - np.array(sources["park-r-precision"]["above"]) / (len(many[1]) - 1)) ** 99
    cases = (
        ("hessel-clipscore", "jmhessel/clipscore", images, long, float(np.mean(sources["hessel-clipscore"]))),
        (
            "torchmetrics-clipscore",
            "torchmetrics 1.9.0",
            images,
            long,
            packages["clip_score torchmetrics-clipscore, a long text"],
        ),
        ("park-r-precision", "Seth-Park/comp-t2i-dataset", *many, float(100 * hits.mean())),
    )
    for profile, against, pictures, captions, expected in cases:
        place = material.write_images(folder / profile, pictures)
        named = dict(zip(sorted(path.name for path in place.iterdir()), captions, strict=True))
        (folder / f"{profile}.json").write_text(json.dumps(named), encoding="utf-8")
        vision = clip_material.RESNET if profile == "park-r-precision" else clip_material.VIT
        weights = {"clip": clip_material.clip_folder(folder / f"{profile}-clip", vision)}
        choices = Choices(config.profile(profile), weights)
        metric = "r_precision" if profile == "park-r-precision" else "clip_score"
        found = _score(folder, metric, choices, [place], folder / f"{profile}.json").value
        title = "R-Precision" if metric == "r_precision" else "CLIP score"
        yield _row(f"{title} of folders", profile, against, expected, found)


def _of_videos(folder: Path) -> Iterator[Row]:
    arrays, sources, packages = _arrays(), _read("sources"), _read("peers")
    short = {side: [arrays[f"{side}_video_{i}"] for i in range(2)] for side in ("generated", "reference")}
    sides = [material.write_videos(folder / side, v) for side, v in material.long_videos(**short).items()]
    script = material.stylegan_file(folder)
    for name in ("16f", "128f", "128f-subsample8"):
        profile = f"stylegan-v-2048-{name}"
        found = _score(folder, "fvd", Choices(config.profile(profile), {"i3d-torchscript": script}), sides).value
        what = "FVD of two folders, a small network"
        yield _row(what, profile, "universome/stylegan-v", sources[profile], found, "few videos, " + _FLOAT32)
    files = {"i3d-torchscript": script, "i3d": material.i3d_file(folder)}
    two = [material.write_videos(folder / f"two-{side}", videos) for side, videos in short.items()]
    published = {
        "common-metrics-styleganv": ("JunyaoHu/common_metrics_on_video_quality", "few videos, " + _FLOAT32),
        "common-metrics-videogpt": ("JunyaoHu/common_metrics_on_video_quality", _FLOAT32_ROOT),
        "fastvideo": ("hao-ai-lab/FastVideo", "few videos, " + _FLOAT32),
    }
    for profile, (against, reason) in published.items():
        found = _score(folder, "fvd", Choices(config.profile(profile), files), two).value
        yield _row("FVD of two folders", profile, against, sources[profile], found, reason)
    few = []
    for side, count in (("generated", 2), ("reference", 3)):
        few.append(
            material.write_videos(folder / f"few-{side}", [arrays[f"{side}_video_{i}"][::4] for i in range(count)])
        )
    weights = {"inception": material.inception_file(folder)}
    of = {"frame_fid_video_average": "vdm-fid-avg", "frame_fid_first_frame": "first-frame-fid"}
    for metric, profile in of.items():
        found = _score(folder, metric, Choices(config.profile(profile), weights), few).value
        against = "torch-fidelity 0.4.0's features, pytorch-fid 0.3.0's distance"
        yield _row(
            "FID of two folders", profile, against, packages[f"{metric} {profile}"], found, "few videos, " + _FLOAT32
        )


def _google(folder: Path) -> Iterator[Row]:
    module = folder / "module"
    module.mkdir()
    (module / "tfhub_module.pb").write_bytes(b"\x08\x03")
    sides = [material.write_videos(folder / f"google-{side}", videos) for side, videos in tiny.videos().items()]
    worker = Path(tiny.__file__).with_name("numpy_worker.py")
    with mock.patch("ivbench.extractors.tfhub._PROGRAM", worker):
        found = _score(folder, "fvd", Choices(config.profile("google-fvd"), {"i3d-tfhub": module}), sides).value
    what = "FVD of two folders, a small network"
    expected = _read("google")["google-fvd"]
    yield _row(what, "google-fvd", "google-research's frechet_video_distance.py", expected, found, "float32 result")


def _vbench(folder: Path) -> Iterator[Row]:
    place = material.write_videos(folder / "vbench", material.consistency_videos())
    captions = dict(zip(sorted(path.name for path in place.iterdir()), clip_material.CAPTIONS, strict=False))
    (folder / "vbench.json").write_text(json.dumps(captions), encoding="utf-8")
    weights = {"dino": material.dino_file(folder), "clip": clip_material.clip_folder(folder / "vbench-clip")}
    metrics = {
        "subject_consistency": ("subject_consistency", "vbench", _FLOAT32),
        "background_consistency": ("background_consistency", "vbench", _FLOAT32),
        "temporal_flickering": ("temporal_flickering", "vbench", "means in float32"),
        "appearance_style": ("clip_score", "vbench-appearance-style", _FLOAT32),
    }
    for dimension, (metric, profile, reason) in metrics.items():
        file = folder / "vbench.json" if metric == "clip_score" else None
        found = _score(folder, metric, Choices(config.profile(profile), weights), [place], file).value
        expected = _read("sources")["vbench"][dimension]["value"]
        said = f"{dimension.replace('_', ' ').capitalize()} of folders"
        yield _row(said, profile, "Vchitect/VBench", expected, found, reason)
