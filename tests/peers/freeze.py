"""Write the packages' numbers on small inputs to tests/golden; in their environment: python tests/peers/freeze.py."""

from __future__ import annotations

import json
import sys
import tempfile
import warnings
from importlib.metadata import version
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[2])]

import clip_material  # noqa: E402 - found by the line above
import material  # noqa: E402
import numpy as np  # noqa: E402
import packages  # noqa: E402

GOLDEN = Path(__file__).parents[1] / "golden"
COMMAND = "tox exec -e peers -- python tests/peers/freeze.py"
SUBSETS = {"kid_subsets": 10, "kid_subset_size": 3}


def main() -> None:
    """Make inputs, ask every package, write both."""
    warnings.simplefilter("ignore")
    photos = material.photographs()
    sides = {
        "generated": (material.crops(4, 1, 10.0, photos, (40, 80)), material.pans(2, 3, 10.0, photos, size=(40, 56))),
        "reference": (material.crops(4, 2, 0.0, photos, (40, 80)), material.pans(3, 4, 0.0, photos, size=(40, 56))),
    }
    arrays = {}
    for side, (images, videos) in sides.items():
        arrays |= {f"{side}_image_{i}": image for i, image in enumerate(images)}
        arrays |= {f"{side}_video_{i}": video for i, video in enumerate(videos)}
    np.savez_compressed(GOLDEN / "peers.npz", **arrays)
    with tempfile.TemporaryDirectory() as name:
        values = _ask(Path(name), sides)
    names = ("pytorch-fid", "torch-fidelity", "clean-fid", "torchmetrics", "cd-fvd", "torch", "scipy", "transformers")
    record = {"command": COMMAND, "source": {name: version(name) for name in names}, "values": values}
    (GOLDEN / "peers.json").write_text(json.dumps(record, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def _ask(folder: Path, sides: dict[str, tuple[list[material.Frames], list[material.Frames]]]) -> dict[str, float]:
    generated, reference = (material.write_images(folder / side, images) for side, (images, _) in sides.items())
    weights, script = material.inception_file(folder), material.nvidia_file(folder)
    videos = [[video[::4] for video in clips] for _, clips in sides.values()]
    of_videos = packages.fid_of_videos(*videos, weights)
    fidelity = packages.torch_fidelity(generated, reference, weights, fid=True, kid=True, **SUBSETS)
    return {
        "frame_fid pytorch-fid": packages.pytorch_fid(generated, reference, weights),
        "frame_fid torch-fidelity": fidelity["frechet_inception_distance"],
        "kid torch-fidelity": fidelity["kernel_inception_distance_mean"],
        "frame_fid clean-fid": packages.clean_fid(generated, reference, "clean", weights, script),
        "frame_fid clean-fid-legacy-pytorch": packages.clean_fid(
            generated, reference, "legacy_pytorch", weights, script
        ),
        "frame_fid clean-fid-legacy-tensorflow": packages.clean_fid(
            generated, reference, "legacy_tensorflow", weights, script
        ),
        "frame_fid torchmetrics": packages.torchmetrics(generated, reference, True, weights),
        "frame_fid torchmetrics-no-antialias": packages.torchmetrics(generated, reference, False, weights),
        "frame_fid_video_average vdm-fid-avg": of_videos["vdm-fid-avg"],
        "frame_fid_first_frame first-frame-fid": of_videos["first-frame-fid"],
        "clip_score torchmetrics-clipscore": packages.torchmetrics_clip_score(
            sides["generated"][0], clip_material.CAPTIONS
        ),
        "clip_score torchmetrics-clipscore, a long text": packages.torchmetrics_clip_score(
            sides["generated"][0], [*clip_material.CAPTIONS[:3], clip_material.LONG]
        ),
        "fvd cd-fvd-i3d": packages.cd_fvd(sides["generated"][1], sides["reference"][1], material.i3d_file(folder)),
    }


if __name__ == "__main__":
    main()
