"""Random weights for a network's names, the same on every platform: what is checked without the published files."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

__all__ = ["random_state"]


def random_state(net: nn.Module, seed: int) -> dict[str, Tensor]:
    """A state dict with which activations keep their scale from layer to layer.

    Args:
        net: convolutions, linear layers and batch normalisations.
        seed: of Philox; every name has a stream of its own.
    """
    state = net.state_dict()
    for number, (name, value) in enumerate(sorted(state.items())):
        draw = np.random.Generator(np.random.Philox(key=[seed, number]))
        shape = tuple(value.shape)
        if name.endswith("running_var") or (value.ndim == 1 and name.endswith("weight")):
            array = draw.uniform(0.5, 1.5, shape)
        elif value.ndim > 1:
            array = draw.standard_normal(shape) * np.sqrt(2.0 / np.prod(shape[1:]))
        else:
            array = draw.standard_normal(shape) * 0.1
        if value.is_floating_point():
            state[name] = torch.from_numpy(np.asarray(array, np.float32))
    return state
