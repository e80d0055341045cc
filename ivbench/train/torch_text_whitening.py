"""Where a net's text projections start: at whitened text.

In the mean of a caption's tokens one word is a small part: of the pooled embeddings of the shapes domain's captions
79 % of the variance is the phrasing, 1 % the colour, 0.5 % the background. A projection that starts at random passes
that on, and the net learns the words that matter last. Started at R W P it sees them all alike from the first step: P
takes out the direction of the mean (so that null text, which is zero, stays zero), W whitens what is left, R is random.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ivbench.nets.torch_video_unet import TorchVideoUNet

__all__ = ["whiten_text"]

_FLOOR = 1e-4
"""Directions with less than this share of the variance are not amplified further."""


def whiten_text(net: TorchVideoUNet, pooled: Tensor, tokens: Tensor) -> None:
    """Set the net's text projections to their start.

    Args:
        net: newly made.
        pooled: [N, D] pooled embeddings of the training captions.
        tokens: [M, D] their tokens.
    """
    with torch.no_grad():
        _start(net.embedding["text"], _whitening(pooled))
        whitening = _whitening(tokens)
        for name, module in net.named_modules():
            if name.endswith(".spatial.text") and isinstance(module, nn.Linear):
                _start(module, whitening)


def _start(linear: nn.Linear, whitening: Tensor) -> None:
    random = torch.randn(linear.out_features, linear.in_features) / linear.in_features**0.5
    linear.weight.copy_(random @ whitening)
    linear.bias.zero_()


def _whitening(rows: Tensor) -> Tensor:
    """[D, D]: W P of rows [N, D]."""
    rows = rows.double()
    mean = rows.mean(dim=0)
    projection = torch.eye(len(mean), dtype=torch.float64) - torch.outer(mean, mean) / mean.square().sum()
    kept = (rows - mean) @ projection
    variance, directions = torch.linalg.eigh(kept.T @ kept / len(kept))
    scale = (variance.clamp(min=0) + _FLOOR * variance.sum()).rsqrt()
    return ((directions * scale) @ directions.T @ projection).float()
