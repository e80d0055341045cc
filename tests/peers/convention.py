"""Score as many images and clips as the field's conventions ask for; hours, in the environment of the peers.

python tests/peers/convention.py images FOLDER   FID of 50,000 generated images
python tests/peers/convention.py clips FOLDER    FVD of 2,048 clips a side

FOLDER keeps the files and the features: a run that was stopped goes on where it was. The row lands in
tests/golden/convention.json, and `python tests/peers/precision.py --page` puts it on docs/precision.md.

Files are crops of photographs and pans over them, and the weights are random in the published layout, as on the rest of
that page. From files to value it is `ivbench score`; then the package's own function takes its distance of the same
statistics, which here are of more samples than features.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Literal

sys.path.insert(0, str(Path(__file__).parent))

import material
import numpy as np
from numpy.typing import NDArray
from PIL import Image

RECORD = Path(__file__).parents[1] / "golden" / "convention.json"
_NOISE = {"generated": 0.0, "reference": 8.0}
_BLOCK = 500

Features = NDArray[np.float64]


@dataclass(frozen=True)
class Convention:
    """One size that the field asks for; `counts` of generated and reference."""

    kind: Literal["frames", "clips"]
    metric: str
    profile: str
    weights: str
    counts: dict[str, int]
    what: str
    package: str


CONVENTIONS = {
    "images": Convention(
        "frames",
        "frame_fid",
        "pytorch-fid",
        "inception",
        {"generated": 50_000, "reference": 5_000},
        "FID of 50,000 generated images against a training set of 5,000 (the size of AFHQ's cats)",
        "pytorch-fid",
    ),
    "clips": Convention(
        "clips",
        "fvd",
        "cd-fvd-i3d",
        "i3d",
        {"generated": 2_048, "reference": 2_048},
        "FVD of 2,048 clips of 16 frames against 2,048",
        "cd-fvd",
    ),
}


def main() -> None:
    """One convention."""
    name, folder = sys.argv[1], Path(sys.argv[2])
    convention = CONVENTIONS[name]
    folder.mkdir(parents=True, exist_ok=True)
    write = {"images": _write_images, "clips": _write_clips}[name]
    for seed, (side, count) in enumerate(convention.counts.items(), 11):
        write(folder / side, count, seed, _NOISE[side])
    weights = {"inception": material.inception_file, "i3d": material.i3d_file}[convention.weights](folder)
    record = json.loads(RECORD.read_text(encoding="utf-8")) if RECORD.exists() else {}
    peak = record[name]["peak_gib"] if name in record and (folder / "out").exists() else None
    scored = _scored(convention, folder, weights)
    row = {"what": convention.what, "profile": convention.profile, **scored, "counts": convention.counts}
    record[name] = row if peak is None else {**row, "peak_gib": peak}  # that of the run that computed the features
    RECORD.write_text(json.dumps(record, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    print(json.dumps(record[name], indent=1))


def _blocks(folder: Path, count: int) -> Iterator[tuple[int, int]]:
    """(number of the block, items) of those that are not on the disk yet; a block's last file says that it is whole."""
    for block, start in enumerate(range(0, count, _BLOCK)):
        items = min(_BLOCK, count - start)
        if len(list(folder.glob(f"{block:03}-*"))) < items:
            yield block, items


def _write_images(folder: Path, count: int, seed: int, noise: float) -> None:
    """PNG of 64x64."""
    folder.mkdir(exist_ok=True)
    photos = material.photographs()
    for block, items in _blocks(folder, count):
        for number, image in enumerate(material.crops(items, 1_000 * seed + block, noise, photos, (64, 65))):
            Image.fromarray(image).save(folder / f"{block:03}-{number:03}.png")


def _write_clips(folder: Path, count: int, seed: int, noise: float) -> None:
    """npy of 16 frames of 64x64."""
    folder.mkdir(exist_ok=True)
    photos = material.photographs()
    for block, items in _blocks(folder, count):
        for number, clip in enumerate(material.pans(items, 1_000 * seed + block, noise, photos, 16, (64, 64))):
            np.save(folder / f"{block:03}-{number:03}.npy", clip)


def _scored(convention: Convention, folder: Path, weights: Path) -> dict[str, object]:
    """The value, the largest memory of its process, and the same distance by the package and by singular values."""
    words = ["--generated", str(folder / "generated"), "--reference", str(folder / "reference")]
    words += ["--metrics", convention.metric, "--floor-draws", "0", "--out", str(folder / "out")]
    words += ["--profile", convention.profile, "--weights", f"{convention.weights}={weights}"]
    subprocess.run([sys.executable, "-m", "ivbench", "score", *words, "--store", str(folder / "store")], check=True)
    results = json.loads((folder / "out" / "results.json").read_text(encoding="utf-8"))
    (score,) = results["cells"][0]["scores"]
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
    sides, ddof = _features(convention, folder, weights), int(score["fields"]["ddof"])
    theirs = _distance(convention.package, sides, ddof)
    right = _by_singular_values(sides, ddof)
    return {
        "value": score["value"],
        "package": convention.package,
        "package_value": theirs,
        "difference": abs(score["value"] - theirs) / theirs,
        "by_singular_values": right,
        "own_error": abs(score["value"] - right) / right,
        "package_error": abs(theirs - right) / right,
        "peak_gib": round(peak, 2),
    }


def _features(convention: Convention, folder: Path, weights: Path) -> list[Features]:
    """Of both sides, those that the score was computed from."""
    from ivbench import config
    from ivbench.results.store import Store
    from ivbench.run import Silent
    from ivbench.run.folder_extraction import Choices, Extraction

    choices = Choices(config.profile(convention.profile), {convention.weights: weights})
    extraction = Extraction(choices, Store(folder / "store"), Silent())
    found = [
        extraction.features(convention.kind, folder / side, is_reference=side == "reference").features
        for side in convention.counts
    ]
    if extraction.computed:
        raise RuntimeError("the score's features are not in the store")
    return [np.concatenate(rows).astype(np.float64) for rows in found]


def _by_singular_values(sides: list[Features], ddof: int) -> float:
    """The distance without a covariance: of centred rows X = Q R, Tr (S1 S2)^(1/2) is the nuclear norm of R1 R2^T."""
    means = [rows.mean(0) for rows in sides]
    triangles = [
        np.linalg.qr((rows - mean) / np.sqrt(len(rows) - ddof), "r") for rows, mean in zip(sides, means, strict=True)
    ]
    cross = np.linalg.svd(triangles[0] @ triangles[1].T, compute_uv=False).sum()
    spread = sum(float(np.square(triangle).sum()) for triangle in triangles)
    return float(np.square(means[0] - means[1]).sum() + spread - 2.0 * cross)


def _distance(package: str, sides: list[Features], ddof: int) -> float:
    """By the package's own function, of mean and covariance by numpy."""
    warnings.simplefilter("ignore")
    moments = [part for rows in sides for part in (rows.mean(0), np.cov(rows, rowvar=False, ddof=ddof))]
    if package == "pytorch-fid":
        from pytorch_fid.fid_score import calculate_frechet_distance

        return float(calculate_frechet_distance(*moments))
    from cdfvd import fvd

    generated, reference = (
        SimpleNamespace(get_mean_cov=lambda pair=tuple(moments[at : at + 2]): pair) for at in (0, 2)
    )
    return float(fvd.cdfvd.compute_fvd_from_stats(SimpleNamespace(), generated, reference))


if __name__ == "__main__":
    main()
