"""Numbers of published code that is in no package registry, run as it is from clones, with our random weights put in.

Needs `clip-anytorch` (OpenAI's CLIP), scikit-learn, pandas, omegaconf and opencv-python-headless beside the environment
`peers`.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import math
import pickle
import random
import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import clip_material
import numpy as np
import torch
from numpy.typing import NDArray
from packages import quiet

Videos = list[NDArray[np.uint8]]
COMMITS = {
    "JunyaoHu/common_metrics_on_video_quality": "5f751734ce9cef4cd2dddb235726b75dff62a387",
    "hao-ai-lab/FastVideo": "2f3d4074064e4d86f99dc784ebbaa296e6f5925f",
    "jmhessel/clipscore": "1036465276513621f77f1c2208d742e4a430781f",
    "Seth-Park/comp-t2i-dataset": "8990e6efb448851cb5116b63101c562caf1cb619",
    "universome/stylegan-v": "3fecd69c602e1cda204357201461c0fb0a634909",
    "Vchitect/VBench": "45e79ec14e69a2187202c675d2dbce1a71843d53",
    "facebookresearch/dino": "7c446df5b9f45747937fb0d72314eb9f7b66930a",
}


@contextlib.contextmanager
def importing(clone: Path, **absent: Any) -> Iterator[None]:
    """The clone's modules can be imported inside, and are forgotten after; `absent` stand in for libraries."""
    path, own = list(sys.path), {entry.stem for entry in clone.iterdir()}
    hidden = {name: sys.modules.pop(name) for name in list(sys.modules) if name.partition(".")[0] in own}
    sys.path.insert(0, str(clone))
    sys.modules.update(absent)
    try:
        yield
    finally:
        sys.path[:] = path
        for name in [name for name in sys.modules if name.partition(".")[0] in own or name in absent]:
            del sys.modules[name]
        sys.modules.update(hidden)


def hessel(clone: Path, images: list[Path], captions: list[str]) -> list[float]:
    """CLIPScore of each image with its caption by clipscore.py."""
    from clip.model import build_model

    model = build_model(clip_material.clip_state(clip_material.VIT)).float().eval()
    with importing(clone, generation_eval_utils=types.ModuleType("generation_eval_utils")), quiet():
        clipscore = importlib.import_module("clipscore")
        _, scores, _ = clipscore.get_clip_score(model, [str(path) for path in images], captions, "cpu")
    return [float(score) for score in scores]


def park(clone: Path, folder: Path, images: list[Path], captions: list[str], draws: int) -> dict[str, Any]:
    """R-Precision by comp-t2i-dataset's dataset, tokens, model and prediction: each image is its own class.

    Returns:
        `hits`: the share of hits over draws of 99 captions, an image each; `above`: how many other captions score at
        least as high as the true one, an image each, from the same logits.
    """
    names = [f"{i:03}" for i in range(len(images))]
    place = folder / "data" / "ours" / "colour"
    place.mkdir(parents=True)
    notes = {name: {0: {"text": text}} for name, text in zip(names, captions, strict=True)}
    for file, held in (("data.pkl", notes), ("split.pkl", {"test_seen": names})):
        (place / file).write_bytes(pickle.dumps(held))
    lightning = types.ModuleType("pytorch_lightning")
    lightning.LightningModule = torch.nn.Module  # type: ignore[attr-defined]
    with importing(clone, pytorch_lightning=lightning), quiet():
        clip = importlib.import_module("clip.clip")
        made = importlib.import_module("clip.model").build_model(clip_material.clip_state(clip_material.RESNET))
        with mock.patch.object(clip, "load", return_value=(made, clip._transform(224))):
            model = importlib.import_module("models.clip_r_precision").CLIPRPrecision().eval()
        dataset = importlib.import_module("datasets").BaseDataset(
            str(folder / "data"), "ours", "colour", "test_seen", model.preprocess, clip.tokenize
        )
        dataset.preprocess_text = lambda text: text.strip().lower()  # as both of its data sets
        return _predictions(model, dataset, names, images, draws)


@torch.no_grad()
def _predictions(model: Any, dataset: Any, names: list[str], images: list[Path], draws: int) -> dict[str, Any]:
    """What make_clip_prediction.py does, but for a GPU; texts are embedded once."""
    from PIL import Image

    pixels = torch.cat([dataset.image_transform(Image.open(path).convert("RGB"))[None] for path in images])
    own = torch.cat([dataset.get_text(name, 0) for name in names])
    seen, said = (side / side.norm(dim=-1, keepdim=True) for side in model(pixels, own))
    logits = (model.logit_scale.exp() * seen @ said.t()).double()
    rows = {tuple(tokens.tolist()): row for row, tokens in enumerate(own)}
    random.seed(0)
    hits = []
    for number, name in enumerate(names):
        found = 0
        for _ in range(draws):
            others = [rows[tuple(tokens.tolist())] for tokens in dataset.get_mismatched_caption(name)]
            scores = logits[number, [number, *others]]
            found += int(torch.argsort(scores, descending=True)[0].item() == 0)
        hits.append(found / draws)
    truth = logits.diagonal()[:, None]
    return {"draws": draws, "hits": hits, "above": ((logits >= truth).sum(1) - 1).tolist()}


def stylegan_v(
    clone: Path, generated: Path, reference: Path, script: Path, metric: str, start: Callable[[str, int], int]
) -> float:
    """FVD of two folders of folders of frames by calc_metrics_for_dataset's way in.

    Args:
        clone: of the repository.
        generated, reference: folders of folders of PNG files.
        script: the TorchScript.
        metric: fvd2048_16f, fvd2048_128f, fvd2048_128f_subsample8f.
        start: (video's name, places) -> the place at which a reference clip starts, in the place of a random draw.
    """
    with importing(clone), contextlib.ExitStack() as stack:
        stack.enter_context(importing(clone / "src"))
        stack.enter_context(quiet())
        from omegaconf import OmegaConf

        metric_main = importlib.import_module("src.metrics.metric_main")
        utilities = importlib.import_module("src.metrics.metric_utils")
        dataset = importlib.import_module("training.dataset")
        detector = torch.jit.load(str(script)).eval()
        stack.enter_context(mock.patch.object(utilities, "get_feature_detector", return_value=detector))
        stack.enter_context(mock.patch.object(dataset.VideoFramesFolderDataset, "__getitem__", _placed(dataset, start)))
        sides = [
            {
                "class_name": "training.dataset.VideoFramesFolderDataset",
                "path": str(folder),
                "cfg": OmegaConf.create({"max_num_frames": 10000}),
                "xflip": False,
                "resolution": 128,
                "use_labels": False,
            }
            for folder in (reference, generated)
        ]
        found = metric_main.calc_metric(
            metric=metric,
            dataset_kwargs=utilities.dnnlib.EasyDict(sides[0]),
            gen_dataset_kwargs=utilities.dnnlib.EasyDict(sides[1]),
            generator_as_dataset=True,
            num_gpus=1,
            rank=0,
            device=torch.device("cpu"),
            cache=False,
        )
    return float(found.results[metric])


def _placed(dataset: Any, start: Callable[[str, int], int]) -> Any:
    """The data set's own `__getitem__`, its random draw answered by `start`."""
    own = dataset.VideoFramesFolderDataset.__getitem__

    def item(self: Any, number: int) -> Any:
        name = Path(self._video_idx2frames[self._raw_idx[number]][0]).parent.name
        with mock.patch.object(dataset.random, "randint", lambda low, high: low + start(name, high - low + 1)):
            return own(self, number)

    return item


def common_metrics(clone: Path, generated: Videos, reference: Videos, method: str, weights: Path) -> float:
    """FVD by calculate_fvd.py.

    Args:
        clone: of the repository.
        generated, reference: as many videos on both sides, of one shape.
        method: styleganv or videogpt.
        weights: i3d_torchscript.pt or i3d_pretrained_400.pt.
    """
    sides = [
        torch.from_numpy(np.stack(videos)).permute(0, 1, 4, 2, 3).float() / 255 for videos in (generated, reference)
    ]
    with importing(clone), quiet():
        own = importlib.import_module(f"fvd.{method}.fvd")
        net = torch.jit.load(str(weights)).eval() if method == "styleganv" else _piergiaj(weights)
        with mock.patch.object(own, "load_i3d_pretrained", return_value=net):
            found = importlib.import_module("calculate_fvd").calculate_fvd(*sides, "cpu", method, only_final=True)
    return float(found["value"][-1])


def _piergiaj(weights: Path) -> torch.nn.Module:
    net: torch.nn.Module = importlib.import_module("fvd.videogpt.pytorch_i3d").InceptionI3d(400, in_channels=3)
    net.load_state_dict(torch.load(weights, weights_only=True))
    return net.eval()


def fastvideo(clone: Path, generated: Videos, reference: Videos, script: Path) -> float:
    """FVD by FastVideo's metric common.fvd with the extractor i3d; its package is not imported but for this metric."""
    base = "fastvideo.eval"
    stand_ins = {name: types.ModuleType(name) for name in (f"{base}.registry", f"{base}.types", f"{base}.models")}
    stand_ins[f"{base}.registry"].register = lambda name: lambda kind: kind  # type: ignore[attr-defined]
    stand_ins[f"{base}.types"].MetricResult = types.SimpleNamespace  # type: ignore[attr-defined]
    stand_ins[f"{base}.models"].ensure_checkpoint = lambda *_, **__: str(script)  # type: ignore[attr-defined]
    with importing(clone, **stand_ins), quiet():
        metric = importlib.import_module(f"{base}.metrics.common.fvd.metric").FVDMetric(
            cache_mode="off", cache_path="unused"
        )
        metric.to("cpu")
        for role, videos in (("generated", generated), ("reference", reference)):
            for video in videos:
                pixels = torch.from_numpy(video).permute(0, 3, 1, 2).float() / 255
                metric.accumulate({"role": role, "video": pixels})
        return float(metric.finalize().score)


def vbench(clone: Path, dino: Path, folder: Path, videos: Videos, texts: list[str], weights: Path) -> dict[str, Any]:
    """Four of VBench's dimensions by its own `compute_...` on the CPU; decoders and weights are put in their places.

    Args:
        clone: of VBench.
        dino: clone of facebookresearch/dino, which VBench takes from PyTorch's hub.
        folder: to write to.
        videos: of any sizes.
        texts: for appearance style, one a video.
        weights: a state dict of DINO.

    Returns:
        dimension -> {"value": of all, "videos": of each}.
    """
    import clip
    import cv2
    from clip.model import build_model

    model = build_model(clip_material.clip_state(clip_material.VIT)).float().eval()
    model.logit_scale.data.fill_(math.log(100.0))  # as trained: VBench divides by 100
    state = torch.load(weights, weights_only=True)
    asked = {
        "subject_consistency": {
            "repo_or_dir": str(dino),
            "source": "local",
            "model": "dino_vitb16",
            "read_frame": False,
        },
        "background_consistency": ["ViT-B/32", False],
        "temporal_flickering": [],
        "appearance_style": {"name": "ViT-B/32"},
    }
    info = folder / "info.json"
    info.write_text(json.dumps(_full_info(folder, videos, texts, list(asked))), encoding="utf-8")
    found = {}
    with importing(clone, decord=_decord()), importing(dino), quiet():
        stand_ins = (
            mock.patch.object(clip, "load", return_value=(model, None)),
            mock.patch.object(cv2, "VideoCapture", _Capture),
            mock.patch("torch.hub.load_state_dict_from_url", return_value=state),
        )
        with contextlib.ExitStack() as stack:
            for stand_in in stand_ins:
                stack.enter_context(stand_in)
            for dimension, needed in asked.items():
                module = importlib.import_module(f"vbench.{dimension}")
                value, each = getattr(module, f"compute_{dimension}")(str(info), "cpu", needed)
                results = [float(one["video_results"]) for one in each]
                found[dimension] = {"value": float(value), "videos": results}
    return found


def _full_info(folder: Path, videos: Videos, texts: list[str], dimensions: list[str]) -> list[dict[str, Any]]:
    """VBench's list of prompts and videos; what is called mp4 is an npy file, which `_decord` and `_Capture` read."""
    found = []
    for number, (video, text) in enumerate(zip(videos, texts, strict=True)):
        path = folder / f"{number:03}.mp4"
        with path.open("wb") as file:
            np.save(file, video)
        extra = {"appearance_style": {"appearance_style": text}}
        found.append({"prompt_en": text, "dimension": dimensions, "video_list": [str(path)], "auxiliary_info": extra})
    return found


def _decord() -> types.ModuleType:
    """As much of decord as VBench asks for."""

    def reader(path: str, **_: Any) -> Any:
        video = np.load(path)
        batch = types.SimpleNamespace(asnumpy=lambda: video)
        return _Reader(batch, len(video))

    found = types.ModuleType("decord")
    found.VideoReader, found.cpu = reader, None  # type: ignore[attr-defined]
    found.bridge = types.SimpleNamespace(set_bridge=lambda name: None)  # type: ignore[attr-defined]
    return found


class _Reader:
    def __init__(self, batch: Any, length: int) -> None:
        self._batch, self._length = batch, length

    def __len__(self) -> int:
        return self._length

    def get_batch(self, indices: Any) -> Any:
        assert list(indices) == list(range(self._length))
        return self._batch


class _Capture:
    """cv2.VideoCapture of an npy file: frames as BGR."""

    def __init__(self, path: str) -> None:
        self._frames = iter(np.load(path)[..., ::-1])

    def isOpened(self) -> bool:
        return True

    def read(self) -> tuple[bool, Any]:
        frame = next(self._frames, None)
        return frame is not None, frame

    def release(self) -> None:
        pass


def frames(folder: Path, videos: list[NDArray[np.uint8]]) -> Path:
    """A folder of folders of PNG files."""
    from PIL import Image

    for number, video in enumerate(videos):
        place = folder / f"{number:03}"
        place.mkdir(parents=True)
        for t, frame in enumerate(video):
            Image.fromarray(frame).save(place / f"{t:04}.png")
    return folder
