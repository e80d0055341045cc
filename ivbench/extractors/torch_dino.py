"""DINO as an extractor of frames of any shape: timm's Vision Transformer with Meta's or timm's file."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.func import functional_call

from ivbench.config import Network
from ivbench.errors import MissingDependencyError
from ivbench.extractors.base import Kind
from ivbench.extractors.torch_dinov2 import resized_positions
from ivbench.extractors.torch_network import NetworkExtractor
from ivbench.extractors.torch_weights import fill
from ivbench.extractors.weights import Weights

__all__ = ["DINOExtractor"]

_SIZE, _PATCH = 224, 16


class DINOExtractor(NetworkExtractor):
    """Features of frames: the class token behind the last normalisation, of patches of 16 x 16 pixels.

    Frames need not be square: rows and columns that fill no patch are not seen, and positions are resized from the
    14 x 14 of the training, as DINO's own code does.

    Source: Caron et al. 2021 (2104.14294).
    """

    kind: Kind = "frames"
    taps: ClassVar[dict[str, int]] = {"small": 384, "base": 768}
    batch: ClassVar[int] = 16
    least_side: ClassVar[int] = _PATCH

    def __init__(self, weights: Weights, choice: Network, device: str = "cpu") -> None:
        """Load the network.

        Args:
            weights: a state dict in Meta's names, which are timm's (.pth or .safetensors).
            choice: resize, scale; the output is the network's size.
            device: where it runs.

        Raises:
            ConfigError: the file is another network's.
            NonFiniteError: NaN or infinity in the weights.
            MissingDependencyError: timm is not installed.
        """
        super().__init__(weights, choice, device)
        try:
            import timm
        except ModuleNotFoundError:
            raise MissingDependencyError("timm", "zoo") from None
        name = f"vit_{choice.tap}_patch{_PATCH}_{_SIZE}"
        with torch.device("meta"):  # no time is spent on weights that the file replaces
            empty = timm.create_model(name, pretrained=False, num_classes=0)
        empty.patch_embed.strict_img_size = False
        net = empty.to_empty(device="cpu")
        self._net: Any = fill(net, weights.path, f"DINO, size {choice.tap}, patches of {_PATCH}").to(device)

    def _run(self, batch: Tensor) -> Tensor:
        height, width = batch.shape[-2:]
        if (height, width) == (_SIZE, _SIZE):
            return self._net(batch)
        rows, columns = height // _PATCH, width // _PATCH
        seen = batch[..., : rows * _PATCH, : columns * _PATCH]
        positions = {"pos_embed": resized_positions(self._net.pos_embed, rows, columns)}
        found: Tensor = functional_call(self._net, positions, (seen,))
        return found
