"""I3D as an extractor of clips, from the state dict that VideoGPT, TATS and cd-fvd load."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ivbench.config import Network
from ivbench.errors import ShapeError
from ivbench.extractors.base import Kind
from ivbench.extractors.torch_i3d_net import CLASSES, FEWEST_FRAMES, I3D, LEAST_SIDE
from ivbench.extractors.torch_network import NetworkExtractor
from ivbench.extractors.torch_weights import fill
from ivbench.extractors.weights import Weights

__all__ = ["I3DExtractor"]


class I3DExtractor(NetworkExtractor):
    """Features of clips: the logits before the softmax, averaged over time."""

    kind: Kind = "clips"
    taps: ClassVar[dict[str, int]] = {"logits": CLASSES}
    batch: ClassVar[int] = 4
    item_bytes: ClassVar[int] = 96 << 20
    least_side: ClassVar[int] = LEAST_SIDE
    fewest_frames: ClassVar[int] = FEWEST_FRAMES

    def __init__(self, weights: Weights, choice: Network, device: str = "cpu") -> None:
        """Load the network.

        Args:
            weights: a state dict.
            choice: resize, scale and output.
            device: where it runs.

        Raises:
            ConfigError: the file is another network's, or has no such output.
            NonFiniteError: NaN or infinity in the weights.
        """
        super().__init__(weights, choice, device)
        net = fill(I3D(), weights.path, "the state dict of I3D with Kinetics-400's 400 classes")
        assert isinstance(net, I3D)
        net.fold()
        self._net = net.to(device).to(memory_format=torch.channels_last_3d)

    def extract_many(self, videos: Sequence[NDArray[np.uint8]]) -> list[NDArray[np.float32]]:
        """Features of clips of any sizes, each [T, H, W, 3] uint8 with T >= 9: [400] each."""
        for video in videos:
            if len(video) < FEWEST_FRAMES:
                raise ShapeError(f"I3D needs clips of at least {FEWEST_FRAMES} frames, got {len(video)}.")
        return super().extract_many(videos)

    def _run(self, batch: Tensor) -> Tensor:
        return self._net(batch.contiguous(memory_format=torch.channels_last_3d))
