"""I3D as StyleGAN-V's TorchScript, an extractor of clips: the module resizes and scales what a profile does not."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from ivbench.config import Network
from ivbench.errors import ConfigError, ShapeError
from ivbench.extractors.base import Kind
from ivbench.extractors.torch_i3d_net import FEWEST_FRAMES
from ivbench.extractors.torch_network import NetworkExtractor
from ivbench.extractors.torch_weights import is_torchscript, load_torchscript
from ivbench.extractors.weights import Weights

__all__ = ["I3DTorchScript"]


class I3DTorchScript(NetworkExtractor):
    """Features of clips: what the module returns with `return_features=True`."""

    kind: Kind = "clips"
    taps: ClassVar[dict[str, int]] = {"features": 400}
    batch: ClassVar[int] = 4
    item_bytes: ClassVar[int] = 96 << 20
    fewest_frames: ClassVar[int] = FEWEST_FRAMES

    def __init__(self, weights: Weights, choice: Network, device: str = "cpu") -> None:
        """Load the module.

        Args:
            weights: the TorchScript file.
            choice: without a resize the module resizes; it scales where the scale is none.
            device: where it runs.

        Raises:
            ConfigError: the file is no TorchScript, or the profile scales to another range than [-1, 1].
        """
        super().__init__(weights, choice, device)
        if not is_torchscript(weights.path):
            raise ConfigError(f"{weights.path} is no TorchScript archive. StyleGAN-V's i3d_torchscript.pt is expected.")
        if choice.scale not in ("none", "symmetric"):
            raise ConfigError(
                f"{choice.name} takes the scale none (it scales by itself) or symmetric, got {choice.scale}."
            )
        self._net = load_torchscript(weights.path, device)

    def _run(self, batch: Tensor) -> Tensor:
        rescale, resize = self._choice.scale == "none", not self._choice.resize
        features = self._net(batch, rescale=rescale, resize=resize, return_features=True)
        if features.shape != (len(batch), self.dim):
            raise ShapeError(f"{self.name} gave features {list(features.shape)}, [{len(batch)}, {self.dim}] expected.")
        return features
