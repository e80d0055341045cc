"""The packages' own numbers on two folders: their own code from files to value, our random weights put in."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image


def pytorch_fid(generated: Path, reference: Path, weights: Path) -> float:
    from pytorch_fid import fid_score

    state = torch.load(weights, weights_only=True)
    with mock.patch("pytorch_fid.inception.load_state_dict_from_url", return_value=state), quiet():
        # batches of one: its loader can't batch images of different sizes
        return float(fid_score.calculate_fid_given_paths([str(generated), str(reference)], 1, "cpu", 2048, 0))


def torch_fidelity(generated: Path, reference: Path, weights: Path, **asked: Any) -> dict[str, float]:
    import torch_fidelity

    with quiet():
        found = torch_fidelity.calculate_metrics(
            input1=str(generated),
            input2=str(reference),
            cuda=False,
            batch_size=1,
            cache=False,
            verbose=False,
            feature_extractor_weights_path=str(weights),
            **asked,
        )
    return {name: float(value) for name, value in found.items()}


def clean_fid(generated: Path, reference: Path, mode: str, weights: Path, torchscript: Path) -> float:
    from cleanfid import fid, inception_torchscript

    state = torch.load(weights, weights_only=True)
    made = inception_torchscript.InceptionV3W

    def network(path: str, download: bool = True, resize_inside: bool = False) -> Any:
        return made(str(torchscript.parent), download=False, resize_inside=resize_inside)

    with (
        mock.patch("cleanfid.features.InceptionV3W", network),
        mock.patch("cleanfid.inception_pytorch.load_state_dict_from_url", return_value=state),
        quiet(),
    ):
        return float(
            fid.compute_fid(
                str(generated),
                str(reference),
                mode=mode,
                num_workers=0,
                batch_size=1,
                device=torch.device("cpu"),
                use_dataparallel=False,
                verbose=False,
            )
        )


def torchmetrics(generated: Path, reference: Path, antialias: bool, weights: Path) -> float:
    from torchmetrics.image.fid import FrechetInceptionDistance

    metric = FrechetInceptionDistance(2048, feature_extractor_weights_path=str(weights), antialias=antialias)
    for folder, real in ((generated, False), (reference, True)):
        for path in sorted(folder.iterdir()):
            image = torch.from_numpy(np.array(Image.open(path).convert("RGB"))).permute(2, 0, 1)
            metric.update(image[None], real=real)
    return float(metric.compute())


def cd_fvd(generated: list[NDArray[np.uint8]], reference: list[NDArray[np.uint8]], weights: Path) -> float:
    """From decoded clips on: its loader's own resize and crop, its network, statistics and distance."""
    from cdfvd import fvd
    from cdfvd.utils.data_utils import preprocess

    with quiet():
        scorer = fvd.cdfvd("i3d", n_real="full", n_fake="full", ckpt_path=str(weights), device="cpu")

        def loader(videos: list[NDArray[np.uint8]]) -> list[dict[str, torch.Tensor]]:
            return [{"video": preprocess(torch.from_numpy(video), 256)["video"][None]} for video in videos]

        scorer.compute_real_stats(loader(reference))
        scorer.compute_fake_stats(loader(generated))
        return float(scorer.compute_fvd_from_stats())


@contextlib.contextmanager
def quiet() -> Any:
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        yield
