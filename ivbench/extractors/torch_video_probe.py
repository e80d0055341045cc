"""The video probe: clips to 32 features, and to the attributes that a clip shows, motion included."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from ivbench.extractors.base import Kind, check_features, check_videos, read_probe_config
from ivbench.extractors.torch_probe_nets import CLIP_FRAMES, FEATURES, VideoProbeNet, clip_frames, frames_to_input
from ivbench.extractors.torch_probe_weights import load_weights

__all__ = ["VideoProbe"]

_CHUNK = 32


class VideoProbe:
    """Features of clips; see `ivbench.extractors.Extractor`."""

    kind: Kind = "clips"
    dim = FEATURES
    preprocess = (
        f"{CLIP_FRAMES} frames at floor(i T / {CLIP_FRAMES}), antialiased bilinear to 24x40, float32, x / 127.5 - 1"
    )

    def __init__(self, folder: Path, *, name: str = "video-probe", digest: str = "", device: str = "cpu") -> None:
        """Load a probe's folder.

        Args:
            folder: config.json and model.safetensors.
            name, digest: of its card.
            device: where it runs.
        """
        config = read_probe_config(folder)
        self.name, self.digest, self._device = name, digest, device
        self.heads = {head: tuple(values) for head, values in config["heads"].items()}
        self._net = load_weights(VideoProbeNet(self.heads, tuple(config["widths"])), folder, device)

    def extract(self, videos: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Features of each clip.

        Args:
            videos: [B, T, H, W, C] uint8.

        Returns:
            [B, 32] float32.

        Raises:
            ShapeError: not uint8 videos.
            NonFiniteError: NaN or infinity came out.
        """
        check_videos(videos)
        parts = [self._features(videos[i : i + _CHUNK]) for i in range(0, len(videos), _CHUNK)]
        return check_features(np.concatenate([np.empty((0, FEATURES), np.float32), *parts]), self.name)

    def predict(self, videos: NDArray[np.uint8]) -> dict[str, NDArray[np.str_]]:
        """What each clip shows: attribute -> [B] of its values or "none"."""
        features = torch.from_numpy(self.extract(videos)).to(self._device)
        answers = self._net.heads(features)
        return {name: np.array(self.heads[name])[logits.argmax(-1).cpu().numpy()] for name, logits in answers.items()}

    @torch.no_grad()
    def _features(self, videos: NDArray[np.uint8]) -> NDArray[np.float32]:
        chosen = np.ascontiguousarray(videos[:, clip_frames(videos.shape[1])])
        frames = torch.from_numpy(chosen).to(self._device).flatten(0, 1)
        x = frames_to_input(frames)
        return np.asarray(self._net(x.view(len(videos), CLIP_FRAMES, *x.shape[1:])).cpu().numpy(), np.float32)
