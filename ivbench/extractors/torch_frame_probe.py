"""The frame probe: frames to 32 features, and to the attributes that a frame shows."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from ivbench.extractors.base import Kind
from ivbench.extractors.torch_attribute_probe import AttributeProbe
from ivbench.extractors.torch_probe_nets import FrameProbeNet, frames_to_input

__all__ = ["FrameProbe"]


class FrameProbe(AttributeProbe):
    """Features of frames."""

    kind: Kind = "frames"
    preprocess = "antialiased bilinear to 24x40, float32, x / 127.5 - 1"
    net_type = FrameProbeNet
    chunk = 128

    def _items(self, videos: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], tuple[int, ...]]:
        return videos.reshape(-1, *videos.shape[2:]), videos.shape[:2]

    @torch.no_grad()
    def _features(self, items: NDArray[np.uint8]) -> NDArray[np.float32]:
        x = frames_to_input(torch.from_numpy(np.ascontiguousarray(items)).to(self._device))
        return np.asarray(self._net(x).cpu().numpy(), np.float32)
