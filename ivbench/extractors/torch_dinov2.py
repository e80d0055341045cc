"""DINOv2 as an extractor of frames: timm's Vision Transformer with Meta's or timm's file."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from ivbench.config import Network
from ivbench.errors import ConfigError, MissingDependencyError
from ivbench.extractors.base import Kind
from ivbench.extractors.torch_network import NetworkExtractor
from ivbench.extractors.torch_weights import fill_from, read_state
from ivbench.extractors.weights import Weights

__all__ = ["DINOv2Extractor", "resized_positions"]

_SIZE, _PATCH = 224, 14
_OFFSET = 0.1
_OF_TRAINING = "mask_token"


class DINOv2Extractor(NetworkExtractor):
    """Features of frames: the class token behind the last normalisation.

    Source: Oquab et al. 2023 (2304.07193).
    """

    kind: Kind = "frames"
    taps: ClassVar[dict[str, int]] = {"small": 384, "base": 768, "large": 1024}
    batch: ClassVar[int] = 16

    def __init__(self, weights: Weights, choice: Network, device: str = "cpu") -> None:
        """Load the network.

        Args:
            weights: a state dict in Meta's names, which are timm's (.pth or .safetensors).
            choice: resize to 224, scale; the output is the network's size.
            device: where it runs.

        Raises:
            ConfigError: the file is another network's, or frames are not resized to 224.
            NonFiniteError: NaN or infinity in the weights.
            MissingDependencyError: timm is not installed.
        """
        super().__init__(weights, choice, device)
        if not choice.resize or choice.resize[-1].size != _SIZE:
            raise ConfigError(f"{choice.name} reads frames of {_SIZE}x{_SIZE}; its profile must resize to that.")
        try:
            import timm
        except ModuleNotFoundError:
            raise MissingDependencyError("timm", "zoo") from None
        name = f"vit_{choice.tap}_patch{_PATCH}_dinov2"
        with torch.device("meta"):  # no time is spent on weights that the file replaces
            empty = timm.create_model(name, pretrained=False, img_size=_SIZE, num_classes=0)
        state = read_state(weights.path)
        state.pop(_OF_TRAINING, None)
        if "pos_embed" in state:
            state["pos_embed"] = _positions(state["pos_embed"], _SIZE // _PATCH)
        net = empty.to_empty(device="cpu")
        self._net: Any = fill_from(net, state, weights.path, f"DINOv2, size {choice.tap}").to(device)

    def _run(self, batch: Tensor) -> Tensor:
        return self._net(batch)


def _positions(embedding: Tensor, side: int) -> Tensor:
    """Position embeddings [1, 1 + n n, D] for side x side patches; others than a square stay as they are."""
    trained = int((embedding.shape[1] - 1) ** 0.5)
    if trained == side or trained**2 != embedding.shape[1] - 1:
        return embedding
    return resized_positions(embedding, side, side)


def resized_positions(embedding: Tensor, rows: int, columns: int) -> Tensor:
    """Position embeddings [1, 1 + n n, D] for rows x columns patches, as DINO's and DINOv2's own code resizes them.

    Their factors are (rows + 0.1) / n and (columns + 0.1) / n, which PyTorch's bicubic then uses as they are.
    """
    own, patches = embedding[:, :1].float(), embedding[:, 1:].float()
    trained = int(patches.shape[1] ** 0.5)
    grid = patches.reshape(1, trained, trained, -1).permute(0, 3, 1, 2)
    factors = ((rows + _OFFSET) / trained, (columns + _OFFSET) / trained)
    resized = functional.interpolate(grid, scale_factor=factors, mode="bicubic")
    return torch.cat([own, resized.permute(0, 2, 3, 1).flatten(1, 2)], dim=1)
