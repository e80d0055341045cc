"""Measure how far ivbench is from the packages, and write docs/precision.md; in their environment.

python tests/peers/precision.py            measure (minutes), write tests/golden/precision.json and the page
python tests/peers/precision.py --frozen   measure the rows of frozen numbers alone, in any environment, and the page
python tests/peers/precision.py --page     write the page anew from the record
"""

from __future__ import annotations

import json
import sys
import tempfile
import warnings
from importlib.metadata import version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(Path(__file__).parent), str(ROOT)]
RECORD = ROOT / "tests" / "golden" / "precision.json"
CONVENTIONS = RECORD.with_name("convention.json")
PAGE = ROOT / "docs" / "precision.md"
COMMAND = "tox exec -e peers -- python tests/peers/precision.py"
_FEW = "fewer images than features: the package takes the square root of a singular matrix"
_FLOAT32 = "the package computes kernels in float32"


def main() -> None:
    """Measure unless only the page is asked for."""
    if "--frozen" in sys.argv:
        _measure_frozen()
    elif "--page" not in sys.argv:
        warnings.simplefilter("ignore")
        with tempfile.TemporaryDirectory() as name:
            rows = [*_networks(Path(name)), *_frechet(), *_kid(), *_folders(Path(name))]
            rows += _frozen(Path(name) / "frozen")
        names = ("torch", "numpy", "scipy", "torchvision", "pillow")
        record = {"command": COMMAND, "libraries": {name: version(name) for name in names}, "rows": rows}
        RECORD.write_text(json.dumps(record, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    PAGE.write_text(page(), encoding="utf-8")


def _measure_frozen() -> None:
    """Those rows of the record anew; the others stay."""
    record = json.loads(RECORD.read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as name:
        found = _frozen(Path(name))
    record["rows"] = [row for row in record["rows"] if not row["against"].endswith(", frozen")] + found
    RECORD.write_text(json.dumps(record, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def _frozen(folder: Path) -> list[dict[str, Any]]:
    import frozen

    folder.mkdir(exist_ok=True)
    return list(frozen.rows(folder))


def page() -> str:
    """The page of the record, and of the runs at the field's convention sizes where there are some."""
    record, conventions = (
        json.loads(path.read_text(encoding="utf-8")) if path.exists() else {} for path in (RECORD, CONVENTIONS)
    )
    libraries = ", ".join(f"{name} {number}" for name, number in sorted(record["libraries"].items()))
    lines = [
        "# Precision: how far ivbench is from the packages that its profiles are named after",
        "",
        f"Measured by `{record['command']}` with {libraries}. Written by that command; do not edit.",
        "",
        "The published weights are not part of the measurement: both sides load the same random weights in the layout",
        "of the published files, and read the same files: crops of photographs of many sizes, and pans over",
        "photographs. The difference is relative: |ours - theirs| / |theirs|; of features, the largest difference",
        "relative to the largest feature. Where it says frozen, the code is in no package registry or needs",
        "TensorFlow: its number on the same files was written down with the command that made it (`tests/golden`).",
        "",
        "| what | against | difference | why it is not smaller |",
        "|---|---|---|---|",
    ]
    for row in record["rows"]:
        lines.append(f"| {row['what']} | {row['against']} | {row['difference']:.1e} | {row['reason'] or 'rounding'} |")
    lines += ["", *_SCOPE, *(["", *_CONVENTIONS] if conventions else ())]
    for name, row in sorted(conventions.items()):
        command = f"`tests/peers/convention.py {name}`"
        values = f"{row['value']:.6g} | {row['package_value']:.6g} ({row['package']})"
        errors = f"{row['difference']:.1e} | {row['own_error']:.1e} | {row['package_error']:.1e}"
        lines.append(f"| {row['what']} | {command} | {values} | {errors} | {row['peak_gib']:.1f} GiB |")
    return "\n".join([*lines, ""])


_CONVENTIONS = [
    "## At the field's convention sizes",
    "",
    "From the files to the value by one `ivbench score`; then the package's own function on mean and covariance, by",
    "numpy, of the same features. There are more samples than features, but random weights leave features that hardly",
    "vary, so some covariances are singular up to rounding: a third value, by singular values of the features",
    "themselves and without a covariance, tells the two errors apart. The memory is the most that the process held,",
    "with the default `--memory 4GiB`.",
    "",
    "| what | command | ivbench | the package's distance | difference | our error | the package's | memory |",
    "|---|---|---|---|---|---|---|---|",
]


_SCOPE = [
    "The package's side begins at the files it reads, which are not always all: see",
    "[what a folder may hold](how-to-score-folders.md). Images of mode L, LA, P, RGBA, CMYK, 1, of 1 pixel's width,",
    "with an EXIF turn or a palette's transparency are decoded to the same bytes as in pytorch-fid, torch-fidelity and",
    "clean-fid; grey of 16 bits is not: they cut it at 255, here it is left out and said. cd-fvd's own reader of video",
    "files needs a torchvision that reads videos, so its row begins at decoded clips. In captions, OpenAI's and",
    "transformers' marks for start and end (`<|endoftext|>`) are words here.",
    "",
    "Profiles without a row here follow a description or a source, and are marked unverified in every result: see",
    "`ivbench metric list`.",
]


def _row(what: str, against: str, theirs: Any, ours: Any, reason: str = "") -> dict[str, Any]:
    import numpy as np

    a, b = np.asarray(theirs, np.float64), np.asarray(ours, np.float64)
    return {
        "what": what,
        "against": against,
        "difference": float(np.abs(a - b).max() / np.abs(a).max()),
        "reason": reason,
    }


def _networks(folder: Path) -> list[dict[str, Any]]:
    """Features of the same pixels."""
    import material
    import numpy as np
    import torch
    from cdfvd.third_party.i3d import pytorch_i3d, utils
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    from ivbench.config import profile
    from ivbench.extractors import find_weights
    from ivbench.extractors.torch_i3d_net import I3D
    from ivbench.extractors.torch_inception import InceptionExtractor
    from ivbench.extractors.torch_inception_net import TAPS

    images = np.stack(material.crops(4, 1, 0.0, material.photographs(), (96, 97)))
    path = material.inception_file(folder)
    theirs = FeatureExtractorInceptionV3("x", list(TAPS), feature_extractor_weights_path=str(path))(
        torch.from_numpy(images).permute(0, 3, 1, 2)
    )
    choice = profile("torch-fidelity").network("frames")
    weights = find_weights("inception", {"inception": path})
    rows = []
    for tap, expected in zip(TAPS, theirs, strict=True):
        ours = InceptionExtractor(weights, choice.model_copy(update={"tap": tap})).extract(images[:, None])[:, 0]
        against = f"torch-fidelity {version('torch-fidelity')}"
        rows.append(_row(f"Inception-v3, output {tap}", against, expected, ours, "batch normalisation folded"))
    state = material.random_state(I3D(), 2)
    net, peer = I3D(), pytorch_i3d.InceptionI3d(400)
    net.load_state_dict(state)
    peer.load_state_dict(state)
    clip = utils.preprocess_i3d(np.stack(material.pans(1, 3, 0.0, material.photographs(), size=(100, 120))))
    net.eval().fold()
    with torch.no_grad():
        expected, ours = peer.eval()(clip), net(clip.contiguous(memory_format=torch.channels_last_3d))
    rows.append(_row("I3D, logits", f"cd-fvd {version('cd-fvd')}", expected, ours, "batch normalisation folded"))
    return rows


def _frechet() -> list[dict[str, Any]]:
    """The distance from the same features, more of them than dimensions."""
    import numpy as np
    from pytorch_fid.fid_score import calculate_frechet_distance

    from ivbench.metrics import GaussianStatistics, frechet_distance

    rows = []
    for dim, count in ((64, 1000), (400, 2048)):
        draw = np.random.default_rng(dim)
        mix = draw.normal(size=(dim, dim)) / np.sqrt(dim)
        a, b = draw.normal(size=(count, dim)) @ mix, draw.normal(size=(count, dim)) @ mix * 1.1 + 0.1
        moments = [(x.mean(0), np.cov(x.T)) for x in (a, b)]
        theirs = calculate_frechet_distance(*moments[0], *moments[1])
        ours = frechet_distance(GaussianStatistics.of(a), GaussianStatistics.of(b))
        what = f"Frechet distance, {count} samples of {dim} features"
        rows.append(_row(what, f"pytorch-fid {version('pytorch-fid')}", theirs, ours))
    return rows


def _kid() -> list[dict[str, Any]]:
    """KID from the same features."""
    import numpy as np
    import torch
    from torch_fidelity.metric_kid import kid_features_to_metric

    from ivbench.config import Subsets
    from ivbench.metrics.kid import subset_kid

    draw = np.random.default_rng(0)
    a, b = (np.abs(draw.normal(size=(500, 256)) * s).astype(np.float32) for s in (1.0, 1.1))
    rows = []
    for dtype, reason in ((torch.float64, ""), (torch.float32, _FLOAT32)):
        theirs = kid_features_to_metric(
            *(torch.from_numpy(x).to(dtype) for x in (a, b)),
            kid_subsets=20,
            kid_subset_size=200,
            rng_seed=2020,
            verbose=False,
            kid_kernel="poly",
        )["kernel_inception_distance_mean"]
        ours = subset_kid(a.astype(np.float64), b.astype(np.float64), Subsets(number=20, size=200, seed=2020))
        what = f"KID, 20 subsets of 200, {str(dtype).removeprefix('torch.')} features"
        rows.append(_row(what, f"torch-fidelity {version('torch-fidelity')}", theirs, ours, reason))
    return rows


def _folders(folder: Path) -> list[dict[str, Any]]:
    """Values of whole folders, from files on."""
    import material
    import packages

    from ivbench import config
    from ivbench.results.store import Store
    from ivbench.run import Silent
    from ivbench.run.folder_extraction import Choices
    from ivbench.run.folder_scoring import FolderRequest, score_folders

    photos = material.photographs()
    sides = {"generated": (1, 7, 10.0), "reference": (2, 8, 0.0)}
    images = [material.write_images(folder / k, material.crops(n, s, e, photos)) for k, (s, n, e) in sides.items()]
    clips = [material.pans(n // 2, s, e, photos) for s, n, e in sides.values()]
    videos = [material.write_videos(folder / f"{k}-videos", c) for k, c in zip(sides, clips, strict=True)]
    weights = {"inception": folder / "inception.pth", "i3d": material.i3d_file(folder)}
    script = material.nvidia_file(folder)

    def ours(paths: list[Path], metric: str, profile: str) -> float:
        request = FolderRequest(*paths, (metric,), Choices(config.profile(profile), weights))
        done = score_folders(request, Store(folder / "store"), Silent(), folder / "out", "precision")
        return done.results.cells[0].scores[0].value

    path = weights["inception"]
    theirs = {
        "pytorch-fid": packages.pytorch_fid(*images, path),
        "torch-fidelity": packages.torch_fidelity(*images, path, fid=True)["frechet_inception_distance"],
        "clean-fid": packages.clean_fid(*images, "clean", path, script),
        "clean-fid-legacy-pytorch": packages.clean_fid(*images, "legacy_pytorch", path, script),
        "clean-fid-legacy-tensorflow": packages.clean_fid(*images, "legacy_tensorflow", path, script),
        "torchmetrics": packages.torchmetrics(*images, True, path),
        "torchmetrics-no-antialias": packages.torchmetrics(*images, False, path),
    }
    rows = []
    for name, value in theirs.items():
        package = next(p for p in ("pytorch-fid", "torch-fidelity", "clean-fid", "torchmetrics") if name.startswith(p))
        against = f"{package} {version(package)}"
        found = ours(images, "frame_fid", name)
        rows.append(_row(f"FID of two folders, profile `{name}`", against, value, found, _FEW))
    value, found = packages.cd_fvd(*clips, weights["i3d"]), ours(videos, "fvd", "cd-fvd-i3d")
    rows.append(_row("FVD of two folders, profile `cd-fvd-i3d`", f"cd-fvd {version('cd-fvd')}", value, found, _FEW))
    return rows


if __name__ == "__main__":
    main()
