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


def fid_of_videos(
    generated: list[NDArray[np.uint8]], reference: list[NDArray[np.uint8]], weights: Path
) -> dict[str, float]:
    """FID of averaged and of first frames' features: torch-fidelity's network and resize, pytorch-fid's distance."""
    from pytorch_fid.fid_score import calculate_frechet_distance
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    net = FeatureExtractorInceptionV3("inception", ["2048"], feature_extractor_weights_path=str(weights))

    def features(video: NDArray[np.uint8]) -> NDArray[np.float64]:
        with torch.no_grad():
            return net(torch.from_numpy(video).permute(0, 3, 1, 2))[0].double().numpy()

    sides = [[features(video) for video in side] for side in (generated, reference)]
    found = {}
    for name, of_video in (("vdm-fid-avg", lambda f: f.mean(0)), ("first-frame-fid", lambda f: f[0])):
        rows = [np.stack([of_video(one) for one in side]) for side in sides]
        moments = [moment for side in rows for moment in (side.mean(0), np.cov(side, rowvar=False))]
        with quiet():
            found[name] = float(calculate_frechet_distance(*moments))
    return found


def torchmetrics(generated: Path, reference: Path, antialias: bool, weights: Path) -> float:
    from torchmetrics.image.fid import FrechetInceptionDistance

    metric = FrechetInceptionDistance(2048, feature_extractor_weights_path=str(weights), antialias=antialias)
    for folder, real in ((generated, False), (reference, True)):
        for path in sorted(folder.iterdir()):
            image = torch.from_numpy(np.array(Image.open(path).convert("RGB"))).permute(2, 0, 1)
            metric.update(image[None], real=real)
    return float(metric.compute())


def torchmetrics_clip_score(images: list[NDArray[np.uint8]], captions: list[str]) -> float:
    """With transformers' CLIP and its processor, as by default; the weights are `clip_material`'s."""
    import clip_material
    from torchmetrics.functional.multimodal import clip_score
    from transformers import CLIPImageProcessor, CLIPProcessor

    model = clip_material.hugging_face_model()
    for side in ("image", "text"):  # transformers 5 gives them packed; torchmetrics expects the tensors
        packed = getattr(model, f"get_{side}_features")
        setattr(model, f"get_{side}_features", lambda *given, packed=packed: _unpacked(packed(*given)))
    processor = CLIPProcessor(CLIPImageProcessor(), clip_material.hugging_face_tokenizer())
    tensors = [torch.from_numpy(image).permute(2, 0, 1) for image in images]
    with torch.no_grad():
        return float(clip_score(tensors, captions, lambda: (model, processor)))


def _unpacked(features: Any) -> torch.Tensor:
    return getattr(features, "pooler_output", features)


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
