"""I3D as StyleGAN-V's TorchScript, an extractor of clips: the module resizes and scales by itself."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from ivbench.config import Network
from ivbench.errors import ConfigError, ShapeError
from ivbench.extractors.base import Kind
from ivbench.extractors.torch_network import NetworkExtractor
from ivbench.extractors.torch_weights import is_torchscript, load_torchscript
from ivbench.extractors.weights import Weights

__all__ = ["I3DTorchScript"]


class I3DTorchScript(NetworkExtractor):
    """Features of clips: what the module returns with `return_features=True`."""

    kind: Kind = "clips"
    taps: ClassVar[dict[str, int]] = {"features": 400}
    batch: ClassVar[int] = 4

    def __init__(self, weights: Weights, choice: Network, device: str = "cpu") -> None:
        """Load the module.

        Args:
            weights: the TorchScript file.
            choice: no resize and no scale: the module does both.
            device: where it runs.

        Raises:
            ConfigError: the file is no TorchScript, or the profile resizes or scales too.
        """
        super().__init__(weights, choice, device)
        if not is_torchscript(weights.path):
            raise ConfigError(f"{weights.path} is no TorchScript archive. StyleGAN-V's i3d_torchscript.pt is expected.")
        if choice.resize or choice.scale != "none":
            raise ConfigError(f"{choice.name} resizes and scales by itself; its profile must do neither.")
        self._net = load_torchscript(weights.path, device)

    def _run(self, batch: Tensor) -> Tensor:
        features = self._net(batch, rescale=True, resize=True, return_features=True)
        if features.shape != (len(batch), self.dim):
            raise ShapeError(f"{self.name} gave features {list(features.shape)}, [{len(batch)}, {self.dim}] expected.")
        return features
