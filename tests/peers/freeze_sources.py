"""Write the numbers of published code that no registry has to tests/golden/sources.json.

python tests/peers/freeze_sources.py CLONES      CLONES/OWNER/NAME are clones at the commits of `sources.COMMITS`
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import warnings
from importlib.metadata import version
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[2])]

import clip_material  # noqa: E402 - found by the line above
import numpy as np  # noqa: E402
import sources  # noqa: E402
from material import long_videos, stylegan_file, write_images, write_videos  # noqa: E402

from ivbench.config import ClipChoice, profile  # noqa: E402
from ivbench.run.folder_items import clip_of, find_items  # noqa: E402

GOLDEN = Path(__file__).parents[1] / "golden"
COMMAND = "python tests/peers/freeze_sources.py CLONES"
DRAWS = 40
"""Draws of 99 captions an image."""


def main(clones: Path) -> None:
    """Ask every repository's code."""
    warnings.simplefilter("ignore")
    for name, commit in sources.COMMITS.items():
        head = subprocess.run(["git", "-C", str(clones / name), "rev-parse", "HEAD"], capture_output=True, text=True)
        if head.stdout.strip() != commit:
            raise SystemExit(f"{clones / name} is not at {commit}.")
    with np.load(GOLDEN / "peers.npz") as arrays:
        sides = {side: [arrays[f"{side}_image_{i}"] for i in range(4)] for side in ("generated", "reference")}
    with tempfile.TemporaryDirectory() as folder:
        values = {**_hessel(clones, Path(folder), sides["generated"]), **_park(clones, Path(folder), sides)}
        values |= _stylegan_v(clones, Path(folder))
    libraries = {name: version(name) for name in ("clip-anytorch", "torch", "numpy", "scikit-learn", "scipy")}
    record = {"command": COMMAND, "source": {**sources.COMMITS, **libraries}, "values": values}
    (GOLDEN / "sources.json").write_text(json.dumps(record, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def _hessel(clones: Path, folder: Path, images: list[clip_material.Frames]) -> dict[str, object]:
    paths = sorted(write_images(folder / "hessel", images).iterdir())
    captions = [*clip_material.CAPTIONS[:3], clip_material.LONG]
    return {"hessel-clipscore": sources.hessel(clones / "jmhessel/clipscore", paths, captions)}


def _park(clones: Path, folder: Path, sides: dict[str, list[clip_material.Frames]]) -> dict[str, object]:
    images, captions = clip_material.many([*sides["generated"], *sides["reference"]])
    paths = sorted(write_images(folder / "park", images).iterdir())
    return {"park-r-precision": sources.park(clones / "Seth-Park/comp-t2i-dataset", folder, paths, captions, DRAWS)}


def _stylegan_v(clones: Path, folder: Path) -> dict[str, object]:
    """Where their code draws a reference clip's start at random, ours stands in: drawn from the same places."""
    with np.load(GOLDEN / "peers.npz") as arrays:
        short = {side: [arrays[f"{side}_video_{i}"] for i in range(2)] for side in ("generated", "reference")}
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

        values[f"stylegan-v-2048-{name}"] = sources.stylegan_v(
            clones / "universome/stylegan-v", *places, script, f"fvd2048_{metric}", start
        )
    return values


if __name__ == "__main__":
    main(Path(sys.argv[1]))
