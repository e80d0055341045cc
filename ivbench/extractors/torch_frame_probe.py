"""The frame probe: frames to 32 features, and to the attributes that a frame shows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from ivbench.extractors.base import Kind, check_features, check_videos, read_probe_config
from ivbench.extractors.torch_probe_nets import FEATURES, FrameProbeNet, frames_to_input
from ivbench.extractors.torch_probe_weights import load_weights

__all__ = ["FrameProbe"]

_CHUNK = 128


class FrameProbe:
    """Features of frames; see `ivbench.extractors.Extractor`."""

    kind: Kind = "frames"
    dim = FEATURES
    preprocess = "antialiased bilinear to 24x40, float32, x / 127.5 - 1"

    def __init__(self, folder: Path, *, name: str = "frame-probe", digest: str = "", device: str = "cpu") -> None:
        """Load a probe's folder.

        Args:
            folder: config.json and model.safetensors.
            name, digest: of its card.
            device: where it runs.
        """
        config = read_probe_config(folder)
        self.name, self.digest, self._device = name, digest, device
        self.heads = {head: tuple(values) for head, values in config["heads"].items()}
        self._net = load_weights(FrameProbeNet(self.heads, tuple(config["widths"])), folder, device)

    def extract(self, videos: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Features of each frame.

        Args:
            videos: [B, T, H, W, C] uint8.

        Returns:
            [B, T, 32] float32.

        Raises:
            ShapeError: not uint8 videos.
            NonFiniteError: NaN or infinity came out.
        """
        check_videos(videos)
        frames = videos.reshape(-1, *videos.shape[2:])
        parts = [self._features(frames[i : i + _CHUNK]) for i in range(0, len(frames), _CHUNK)]
        features = np.concatenate([np.empty((0, FEATURES), np.float32), *parts])
        return check_features(features.reshape(*videos.shape[:2], FEATURES), self.name)

    def predict(self, videos: NDArray[np.uint8]) -> dict[str, NDArray[np.str_]]:
        """What each frame shows: attribute -> [B, T] of its values or "none"."""
        features = torch.from_numpy(self.extract(videos)).to(self._device)
        answers = self._net.heads(features)
        return {name: np.array(self.heads[name])[logits.argmax(-1).cpu().numpy()] for name, logits in answers.items()}

    @torch.no_grad()
    def _features(self, frames: NDArray[np.uint8]) -> NDArray[np.float32]:
        x = frames_to_input(torch.from_numpy(np.ascontiguousarray(frames)).to(self._device))
        return np.asarray(self._net(x).cpu().numpy(), np.float32)
