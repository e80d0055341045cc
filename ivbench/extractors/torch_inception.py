"""The Inception-v3 of FID as an extractor of frames: pytorch-fid's, torch-fidelity's or NVIDIA's file."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor

from ivbench.config import Network
from ivbench.errors import ConfigError
from ivbench.extractors.base import Kind
from ivbench.extractors.torch_inception_net import LEAST_SIDE, TAPS, FIDInception
from ivbench.extractors.torch_network import NetworkExtractor
from ivbench.extractors.torch_weights import fill, is_torchscript, load_torchscript
from ivbench.extractors.weights import Weights

__all__ = ["InceptionExtractor"]


class InceptionExtractor(NetworkExtractor):
    """Features of frames."""

    kind: Kind = "frames"
    taps: ClassVar[dict[str, int]] = TAPS
    batch: ClassVar[int] = 32
    item_bytes: ClassVar[int] = 20 << 20
    least_side: ClassVar[int] = LEAST_SIDE

    def __init__(self, weights: Weights, choice: Network, device: str = "cpu") -> None:
        """Load the network.

        Args:
            weights: a state dict, or NVIDIA's TorchScript.
            choice: resize, scale and output.
            device: where it runs.

        Raises:
            ConfigError: the file is another network's, or has no such output.
            NonFiniteError: NaN or infinity in the weights.
        """
        super().__init__(weights, choice, device)
        self._net: Any
        if is_torchscript(weights.path):
            if choice.tap != "2048":
                raise ConfigError(f'{weights.path} is TorchScript and gives "2048" only, not "{choice.tap}".')
            self._net = _layers(load_torchscript(weights.path, device), weights)
        else:
            net = fill(FIDInception(), weights.path, "the Inception-v3 of FID (of 2015-12-05, 1,008 classes)")
            assert isinstance(net, FIDInception)
            net.fold()
            self._net = net.to(device).to(memory_format=torch.channels_last)

    def _run(self, batch: Tensor) -> Tensor:
        if isinstance(self._net, FIDInception):
            return self._net(batch.contiguous(memory_format=torch.channels_last), self._choice.tap)
        return self._net(batch).flatten(1)


def _layers(module: Any, weights: Weights) -> Any:
    """The part of NVIDIA's module behind its own resize and scaling."""
    if not hasattr(module, "layers"):
        raise ConfigError(f'{weights.path} has no submodule "layers". NVIDIA\'s inception-2015-12-05.pt is expected.')
    return module.layers
