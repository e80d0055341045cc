"""The video probe: clips to 32 features, and to the attributes that a clip shows, motion included."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from ivbench.extractors.base import Kind
from ivbench.extractors.torch_attribute_probe import AttributeProbe
from ivbench.extractors.torch_probe_nets import CLIP_FRAMES, VideoProbeNet, clip_frames, frames_to_input

__all__ = ["VideoProbe"]


class VideoProbe(AttributeProbe):
    """Features of clips."""

    kind: Kind = "clips"
    preprocess = (
        f"{CLIP_FRAMES} frames at floor(i T / {CLIP_FRAMES}), antialiased bilinear to 24x40, float32, x / 127.5 - 1"
    )
    net_type = VideoProbeNet
    chunk = 32

    def _items(self, videos: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], tuple[int, ...]]:
        return videos, videos.shape[:1]

    @torch.no_grad()
    def _features(self, items: NDArray[np.uint8]) -> NDArray[np.float32]:
        chosen = np.ascontiguousarray(items[:, clip_frames(items.shape[1])])
        frames = torch.from_numpy(chosen).to(self._device).flatten(0, 1)
        x = frames_to_input(frames)
        return np.asarray(self._net(x.view(len(items), CLIP_FRAMES, *x.shape[1:])).cpu().numpy(), np.float32)
