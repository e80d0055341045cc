"""A cascade as another project would bring it: closed-form denoisers of Gaussian videos, in NumPy alone."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from ivbench.adapters import Denoise, DenoiserCascade
from ivbench.text import TextEmbeddings

__all__ = ["STD", "Gaussian", "TwoWords", "write_gaussian"]

STD = 0.25
"""Standard deviation of the data about its mean."""


class TwoWords:
    """A text encoder of width 3: the length of a prompt and of its words."""

    name, digest, dim, max_length = "two-words", "0" * 64, 3, 4

    def encode(self, prompts: list[str]) -> TextEmbeddings:
        rows = np.array([[len(prompt) % 5 - 2, len(prompt.split()), 1] for prompt in prompts], np.float32)
        tokens = np.repeat(rows[:, None] / 4, self.max_length, axis=1)
        return TextEmbeddings(tokens, np.ones(tokens.shape[:2], bool), tokens.mean(1), 0)


class Gaussian(DenoiserCascade):
    """Videos are N(mean, STD^2), the mean given by text and conditioning video: eps is known in closed form."""

    def text_encoder(self) -> Any:
        return TwoWords()

    def denoiser(self, stage: str) -> Denoise:
        gain = json.loads(self.card.weights_path(stage).read_text())["gain"]

        def denoise(z: Any, logsnr: float, text: Any, conditioning: Any, augmentation: float | None) -> Any:
            alpha, sigma = (1 / (1 + np.exp(-logsnr))) ** 0.5, (1 / (1 + np.exp(logsnr))) ** 0.5
            mean = np.zeros((len(z), 1, 1, 1, 1)) if text is None else gain * text.pooled[:, :1, None, None, None]
            if conditioning is not None:
                mean = mean + 0.5 * conditioning
            x = (STD**2 * alpha * z + sigma**2 * mean) / (STD**2 * alpha**2 + sigma**2)
            return (z - alpha * x) / sigma

        return denoise


def write_gaussian(folder: Path, adapter: str = "python:tests.unit.adapters.gaussian_cascade:Gaussian") -> Path:
    """Its folder: card, cascade.yaml and one weights file a stage."""
    folder.mkdir(parents=True)
    network = {"parameters": 1, "flops": 100}
    shared = {"fps": 3.0, "parameterization": "eps", "network": network, "logsnr_min": -12.0, "logsnr_max": 12.0}
    stages = [
        {"name": "base", "kind": "base", "frames": 2, "height": 6, "width": 10, **shared},
        {"name": "ssr1", "kind": "ssr", "frames": 2, "height": 12, "width": 20, **shared},
    ]
    spec = {"name": folder.name, "text": {"encoder": "two-words", "dim": 3, "length": 4}, "stages": stages}
    (folder / "cascade.yaml").write_text(json.dumps(spec))
    for stage in ("base", "ssr1"):
        (folder / f"{stage}.json").write_text('{"gain": 0.8}')
    names = ["base.json", "cascade.yaml", "ssr1.json"]
    files = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in names}
    card = {"name": folder.name, "kind": "cascade", "licence": "Apache-2.0", "adapter": adapter, "files": files}
    (folder / "card.yaml").write_text(yaml.safe_dump({**card, "weights": {"base": "base.json", "ssr1": "ssr1.json"}}))
    return folder
