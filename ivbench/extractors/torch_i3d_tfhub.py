"""I3D as the TF-Hub module that FVD was defined with, an extractor of clips; TensorFlow runs in another process."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from ivbench.config import Network
from ivbench.errors import ShapeError
from ivbench.extractors.base import Kind
from ivbench.extractors.tfhub import TensorFlowProcess, folder_of, unpacked
from ivbench.extractors.torch_network import NetworkExtractor
from ivbench.extractors.weights import Weights

__all__ = ["I3DTFHub"]

_INPUT = "input_frames:0"


class I3DTFHub(NetworkExtractor):
    """Features of clips: the logits before the softmax, averaged over time.

    Source: Unterthiner et al. 2018 (1812.01717); the tensor is that of google-research's frechet_video_distance.py.
    """

    kind: Kind = "clips"
    taps: ClassVar[dict[str, int]] = {"RGB/inception_i3d/Mean:0": 400}
    batch: ClassVar[int] = 4
    item_bytes: ClassVar[int] = 96 << 20

    def __init__(self, weights: Weights, choice: Network, device: str = "cpu") -> None:
        """Load the module.

        Args:
            weights: its folder or archive (.tar.gz).
            choice: resize, scale and output.
            device: where frames are resized; the module runs where TensorFlow puts it.

        Raises:
            ConfigError: no such output, or the folder is another module's.
            UnreadableError: no archive.
            MissingDependencyError: TensorFlow is not installed.
        """
        super().__init__(weights, choice, device)
        module = unpacked(weights.path, folder_of(self))
        self._process = TensorFlowProcess(module, _INPUT, choice.tap)

    def _run(self, batch: Tensor) -> Tensor:
        features = self._process.run(batch.permute(0, 2, 3, 4, 1).cpu().numpy())
        if features.shape != (len(batch), self.dim):
            raise ShapeError(f"{self.name} gave features {list(features.shape)}, [{len(batch)}, {self.dim}] expected.")
        return torch.from_numpy(features)
