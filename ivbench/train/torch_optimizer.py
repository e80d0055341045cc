"""The optimizer that a recipe names."""

from __future__ import annotations

import torch
from torch import nn

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

    return Muon(net.parameters(), **shared)
