"""What peers and ivbench are compared on: random weights in the published layouts, real photographs, video of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import timm
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from ivbench.extractors.torch_i3d_net import I3D
from ivbench.extractors.torch_inception_net import FIDInception
from ivbench.extractors.torch_random_weights import random_state

Frames = NDArray[np.uint8]
_SHORT = (("generated", 0), ("generated", 1), ("reference", 0))


def inception_file(folder: Path, seed: int = 1) -> Path:
    """Random weights in pytorch-fid's and torch-fidelity's layout."""
    path = folder / "inception.pth"
    torch.save(random_state(FIDInception(), seed), path)
    return path


def i3d_file(folder: Path) -> Path:
    """Random weights in the layout of i3d_pretrained_400.pt."""
    path = folder / "i3d.pt"
    torch.save(random_state(I3D(), 2), path)
    return path


def dino_file(folder: Path) -> Path:
    """Random weights in the layout of dino_vitbase16_pretrain.pth."""
    with torch.device("meta"):
        net = timm.create_model("vit_base_patch16_224", pretrained=False, num_classes=0)
    path = folder / "dino.pth"
    torch.save(random_state(net, 8), path)
    return path


class _NvidiaInception(nn.Module):
    """The interface of NVIDIA's inception-2015-12-05.pt: `layers` behind its own resize and scaling."""

    def __init__(self, layers: nn.Module) -> None:
        super().__init__()
        self.layers = layers

    def forward(self, img: Tensor, return_features: bool = False) -> Tensor:
        size = 299
        x = img.to(torch.float32)
        for axis in (3, 2):
            length = x.shape[axis]
            place = torch.arange(size, dtype=torch.float32) * torch.tensor(length / size, dtype=torch.float32)
            low = place.to(torch.int64)
            weight = place - low.to(torch.float32)
            if axis == 2:
                weight = weight.unsqueeze(1)
            below = torch.index_select(x, axis, low)
            above = torch.index_select(x, axis, torch.clamp(low + 1, max=length - 1))
            x = below + (above - below) * weight
        features = self.layers((x - 128) / 128)
        return features if return_features else features.softmax(1)


def nvidia_file(folder: Path) -> Path:
    """The same weights as `inception_file` in the form of NVIDIA's TorchScript."""
    net = FIDInception()
    net.load_state_dict(random_state(net, 1))
    layers = torch.jit.trace(net.eval(), torch.zeros(1, 3, 299, 299))
    path = folder / "inception-2015-12-05.pt"
    torch.jit.script(_NvidiaInception(layers)).save(str(path))
    return path


def photographs() -> list[Frames]:
    """scikit-image's colour photographs."""
    from skimage import data

    return [np.asarray(make()[..., :3]) for make in (data.astronaut, data.coffee, data.chelsea, data.rocket)]


def crops(
    count: int, seed: int, noise: float, photos: list[Frames], sizes: tuple[int, int] = (60, 200)
) -> list[Frames]:
    """Pieces of photographs of many sizes, with noise."""
    draw = np.random.default_rng(seed)
    found = []
    for _ in range(count):
        photo = photos[draw.integers(len(photos))]
        height, width = draw.integers(*sizes, size=2)
        top, left = int(draw.integers(0, photo.shape[0] - height)), int(draw.integers(0, photo.shape[1] - width))
        piece = photo[top : top + height, left : left + width] + draw.normal(size=(height, width, 3)) * noise
        found.append(np.clip(np.rint(piece), 0, 255).astype(np.uint8))
    return found


def pans(
    count: int, seed: int, noise: float, photos: list[Frames], frames: int = 16, size: tuple[int, int] | None = None
) -> list[Frames]:
    """Videos of a window that moves over a photograph: real pictures, known motion."""
    draw = np.random.default_rng(seed)
    found = []
    for _ in range(count):
        photo = photos[draw.integers(len(photos))]
        height, width = size or draw.integers(90, 140, size=2)
        speed = draw.integers(-3, 4, size=2)
        room = [extent - size - 1 for extent, size in zip(photo.shape[:2], (height, width), strict=True)]
        start = [draw.integers(0, r) for r in room]
        clip = []
        for t in range(frames):
            top, left = (int(np.clip(s + v * t, 0, r)) for s, v, r in zip(start, speed, room, strict=True))
            clip.append(photo[top : top + height, left : left + width])
        video = np.stack(clip) + draw.normal(size=(frames, height, width, 3)) * noise
        found.append(np.clip(np.rint(video), 0, 255).astype(np.uint8))
    return found


def write_images(folder: Path, images: list[Frames]) -> Path:
    """A folder of PNG files."""
    folder.mkdir(parents=True)
    for number, image in enumerate(images):
        Image.fromarray(image).save(folder / f"{number:03}.png")
    return folder


def consistency_videos() -> list[Frames]:
    """Three short videos of other lengths: 40 x 56, 56 x 40, and 280 x 280, which networks of 224 make smaller."""
    with np.load(Path(__file__).parents[1] / "golden" / "peers.npz") as arrays:
        wide, upright, tile = (arrays[f"{name}_video_{i}"] for name, i in _SHORT)
    return [wide[::4], np.ascontiguousarray(upright[::6].swapaxes(1, 2)), np.tile(tile[:10:2], (1, 7, 5, 1))]


def write_videos(folder: Path, videos: list[Frames]) -> Path:
    """A folder of npy files."""
    folder.mkdir(parents=True)
    for number, video in enumerate(videos):
        np.save(folder / f"{number:03}.npy", video)
    return folder


class _SmallDetector(nn.Module):
    """The interface of i3d_torchscript.pt on a small network: it rescales and resizes, and gives 400 features."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv3d(3, 16, (3, 7, 7), (1, 4, 4))
        self.out = nn.Linear(16, 400)

    def forward(self, x: Tensor, rescale: bool = True, resize: bool = True, return_features: bool = False) -> Tensor:
        x = x.to(torch.float32)
        if rescale:
            x = 2.0 * x / 255.0 - 1.0
        if resize:
            shape = [x.shape[2], 64, 64]
            x = nn.functional.interpolate(x, size=shape, mode="trilinear", align_corners=False)
        logits = self.out(torch.relu(self.conv(x)).mean((3, 4)).transpose(1, 2)).tanh().mean(1)
        return logits if return_features else logits.softmax(1)


def stylegan_file(folder: Path) -> Path:
    """A small network in the form of StyleGAN-V's TorchScript."""
    net = _SmallDetector()
    net.load_state_dict(random_state(net, 4))
    path = folder / "i3d_torchscript.pt"
    torch.jit.script(net.eval()).save(str(path))
    return path


def long_videos(generated: list[Frames], reference: list[Frames]) -> dict[str, list[Frames]]:
    """Videos of 122 to 150 frames, to and fro over short ones; one real video is too short for 128 frames."""
    lengths = {"generated": (128, 131, 140, 129, 150), "reference": (150, 122, 133, 128, 139)}
    found = {}
    for side, videos in (("generated", generated), ("reference", reference)):
        there = [np.concatenate([video, video[-2:0:-1]]) for video in videos]
        found[side] = [
            np.ascontiguousarray(np.roll(there[i % len(there)], 3 * i, axis=0)[np.arange(n) % len(there[0])])
            for i, n in enumerate(lengths[side])
        ]
    return found
