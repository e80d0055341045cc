"""Write the numbers of published code that no registry has to tests/golden/sources.json.

python tests/peers/freeze_sources.py CLONES [OWNER/NAME ...]

CLONES/OWNER/NAME are clones at the commits of `sources.COMMITS`; where some are named, the numbers of these alone.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[2])]

import clip_material  # noqa: E402 - found by the line above
import numpy as np  # noqa: E402
import sources  # noqa: E402
from material import (  # noqa: E402
    consistency_videos,
    dino_file,
    i3d_file,
    long_videos,
    stylegan_file,
    write_images,
    write_videos,
)

from ivbench.config import ClipChoice, profile  # noqa: E402
from ivbench.run.folder_items import clip_of, find_items  # noqa: E402

GOLDEN = Path(__file__).parents[1] / "golden"
COMMAND = "python tests/peers/freeze_sources.py CLONES [OWNER/NAME ...]"
_LIBRARIES = {
    "clip-anytorch": "clip",
    "torch": "torch",
    "numpy": "numpy",
    "scikit-learn": "sklearn",
    "scipy": "scipy",
    "opencv-python-headless": "cv2",
}
_BESIDE = {"Vchitect/VBench": ("facebookresearch/dino",)}
DRAWS = 40
"""Draws of 99 captions an image."""


def main(clones: Path, names: Sequence[str]) -> None:
    """Ask the repositories' code."""
    warnings.simplefilter("ignore")
    needed = {other for name in names for other in (name, *_BESIDE.get(name, ()))}
    for name in sorted(needed):
        commit = sources.COMMITS[name]
        head = subprocess.run(["git", "-C", str(clones / name), "rev-parse", "HEAD"], capture_output=True, text=True)
        if head.stdout.strip() != commit:
            raise SystemExit(f"{clones / name} is not at {commit}.")
    with np.load(GOLDEN / "peers.npz") as arrays:
        sides = {side: [arrays[f"{side}_image_{i}"] for i in range(4)] for side in ("generated", "reference")}
    ask: dict[str, Callable[[Path, Path], dict[str, object]]] = {
        "JunyaoHu/common_metrics_on_video_quality": _common_metrics,
        "Seth-Park/comp-t2i-dataset": partial(_park, sides=sides),
        "hao-ai-lab/FastVideo": _fastvideo,
        "jmhessel/clipscore": partial(_hessel, images=sides["generated"]),
        "universome/stylegan-v": _stylegan_v,
        "Vchitect/VBench": _vbench,
    }
    path = GOLDEN / "sources.json"
    record = json.loads(path.read_text(encoding="utf-8"))
    for name in filter(ask.__contains__, names):
        with tempfile.TemporaryDirectory() as folder:
            record["values"] |= ask[name](clones / name, Path(folder))
    libraries = {name: version(name) for name in _LIBRARIES if find_spec(_LIBRARIES[name])}
    record |= {"command": COMMAND, "source": {**sources.COMMITS, **record["source"], **libraries}}
    path.write_text(json.dumps(record, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def _hessel(clone: Path, folder: Path, images: list[clip_material.Frames]) -> dict[str, object]:
    paths = sorted(write_images(folder / "hessel", images).iterdir())
    captions = [*clip_material.CAPTIONS[:3], clip_material.LONG]
    return {"hessel-clipscore": sources.hessel(clone, paths, captions)}


def _park(clone: Path, folder: Path, sides: dict[str, list[clip_material.Frames]]) -> dict[str, object]:
    images, captions = clip_material.many([*sides["generated"], *sides["reference"]])
    paths = sorted(write_images(folder / "park", images).iterdir())
    return {"park-r-precision": sources.park(clone, folder, paths, captions, DRAWS)}


def _short() -> dict[str, list[clip_material.Frames]]:
    with np.load(GOLDEN / "peers.npz") as arrays:
        return {side: [arrays[f"{side}_video_{i}"] for i in range(2)] for side in ("generated", "reference")}


def _common_metrics(clone: Path, folder: Path) -> dict[str, object]:
    files = {"styleganv": stylegan_file(folder), "videogpt": i3d_file(folder)}
    videos = _short()
    return {
        f"common-metrics-{method}": sources.common_metrics(clone, **videos, method=method, weights=file)
        for method, file in files.items()
    }


def _fastvideo(clone: Path, folder: Path) -> dict[str, object]:
    return {"fastvideo": sources.fastvideo(clone, **_short(), script=stylegan_file(folder))}


def _vbench(clone: Path, folder: Path) -> dict[str, object]:
    dino = clone.parents[1] / "facebookresearch" / "dino"
    videos, texts = consistency_videos(), clip_material.CAPTIONS[:3]
    return {"vbench": sources.vbench(clone, dino, folder, videos, texts, dino_file(folder))}


def _stylegan_v(clone: Path, folder: Path) -> dict[str, object]:
    """Where their code draws a reference clip's start at random, ours stands in: drawn from the same places."""
    short = _short()
    videos, script = long_videos(**short), stylegan_file(folder)
    places = [sources.frames(folder / f"{side}-frames", videos[side]) for side in ("generated", "reference")]
    items = {item.path.stem: item.digest for item in find_items(write_videos(folder / "npy", videos["reference"]))}
    values = {}
    for name, metric in (("16f", "16f"), ("128f", "128f"), ("128f-subsample8", "128f_subsample8f")):
        clip = profile(f"stylegan-v-2048-{name}").clip
        assert clip is not None

        def start(video: str, number: int, clip: ClipChoice = clip) -> int:
            length = len(videos["reference"][int(video)])
            span = (clip.frames - 1) * clip.every + 1
            if number != length - span + 1:
                raise SystemExit(f"their clips start at {number} places, ours at {length - span + 1}.")
            return int(clip_of(length, clip, items[video])[0])  # type: ignore[index]

        values[f"stylegan-v-2048-{name}"] = sources.stylegan_v(clone, *places, script, f"fvd2048_{metric}", start)
    return values


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:] or list(sources.COMMITS))
