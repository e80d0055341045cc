"""Batch normalisation with fixed moments inside the convolution before it: one function, fewer passes over memory."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

__all__ = ["fold"]


def fold(convolution: nn.Module, normalisation: nn.Module) -> None:
    """Give a convolution the weights and biases that it has together with the normalisation of its output.

    w <- w g / sqrt(v + eps), b <- h - m g / sqrt(v + eps), of moments m, v, scale g and shift h; computed in float64.

    Args:
        convolution: of any number of dimensions, without a bias; changed in place.
        normalisation: in evaluation mode.
    """
    norm: Any = normalisation
    weight: Any = convolution.weight
    scale: Tensor = norm.weight.double() / (norm.running_var.double() + norm.eps).sqrt()
    bias = norm.bias.double() - norm.running_mean.double() * scale
    folded = weight.double() * scale.view(-1, *[1] * (weight.ndim - 1))
    convolution.weight = nn.Parameter(folded.to(weight.dtype))
    convolution.bias = nn.Parameter(bias.to(weight.dtype))
