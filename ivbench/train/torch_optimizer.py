"""The optimizer that a recipe names."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from ivbench.train.recipe import OptimizerRecipe

__all__ = ["make_optimizer"]


def make_optimizer(net: nn.Module, recipe: OptimizerRecipe) -> torch.optim.Optimizer:
    """AdamW, or Muon.

    Muon's update of a matrix is its momentum with all singular values set to one (a convolution's kernel is read as
    [out, in * height * width]), scaled to the root mean square of AdamW's updates, so that one learning rate serves
    both; vectors, and matrices that are very thin (timm's rule), are left to AdamW. Source: Jordan et al. 2024; the
    scale: Liu et al. 2025 (2502.16982), section 2.2.

    Args:
        net: whose parameters are trained.
        recipe: which, weight decay and betas; the learning rate is set at each step.
    """
    shared = {"lr": 0.0, "weight_decay": recipe.weight_decay, "betas": recipe.betas}
    if recipe.optimizer == "adamw":
        return torch.optim.AdamW(net.parameters(), **shared)
    from timm.optim import Muon

    class Float32Muon(Muon):
        """Muon whose orthogonalization is in float32 on CPUs: without bfloat16 units theirs takes 15 times as long."""

        def step(self, closure: Any = None) -> Any:
            with _orthogonalization_in_float32():
                return super().step(closure)

    return Float32Muon(net.parameters(), **shared)


@contextmanager
def _orthogonalization_in_float32() -> Iterator[None]:
    """The Newton-Schulz iteration takes a dtype, for which timm's Muon has no option."""
    from timm.optim import muon

    usual = muon.zeropower_via_newtonschulz

    def exact(matrix: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        return usual(matrix, *args, **kwargs, **({"dtype": torch.float32} if matrix.device.type == "cpu" else {}))

    muon.zeropower_via_newtonschulz = exact
    try:
        yield
    finally:
        muon.zeropower_via_newtonschulz = usual
