"""PyTorch: devices, and arrays in and out."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ivbench.errors import ConfigError

__all__ = ["OUT_OF_MEMORY", "available_device", "from_numpy", "to_numpy"]

OUT_OF_MEMORY: tuple[type[BaseException], ...] = (torch.OutOfMemoryError, MemoryError)
"""What a batch that is too large for the device raises."""


def available_device(name: str) -> torch.device:
    """The torch device of that name.

    Raises:
        ConfigError: not a device, or not on this machine.
    """
    try:
        device = torch.device(name)
        torch.zeros(1, device=device).item()
    except (RuntimeError, AssertionError) as error:
        raise ConfigError(
            f'device "{name}" cannot be used by PyTorch here. Allowed: cpu, cuda, cuda:N, mps, where present.'
        ) from error
    return device


def from_numpy(array: NDArray[np.generic], device: torch.device) -> Tensor:
    """A NumPy array on a device; dtype kept."""
    return torch.from_numpy(np.ascontiguousarray(array)).to(device)


def to_numpy(tensor: Tensor) -> NDArray[np.float32]:
    """A tensor of any float dtype and device as a float32 NumPy array."""
    return tensor.float().cpu().numpy()
