"""A probe's weights from its folder: float16 on disk, float32 in memory, every name accounted for."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import nn

from ivbench.errors import ConfigError, MissingFileError, NonFiniteError

__all__ = ["load_weights"]


def load_weights(net: nn.Module, folder: Path, device: str) -> nn.Module:
    """Fill a network from `folder`/model.safetensors and freeze it.

    Args:
        net: the network of the folder's configuration.
        folder: where the weights are.
        device: where the network goes.

    Raises:
        MissingFileError: no weights.
        ConfigError: names or shapes differ from the network's.
        NonFiniteError: NaN or infinity in the weights.
    """
    file = folder / "model.safetensors"
    if not file.is_file():
        raise MissingFileError(f"{file} is not there. A probe's folder has config.json and model.safetensors.")
    weights = {name: value.to(torch.float32) for name, value in load_file(file).items()}
    for name, value in weights.items():
        if not bool(torch.isfinite(value).all()):
            raise NonFiniteError(f'"{name}" in {file} holds NaN or infinity. Fetch the file again.')
    try:
        net.load_state_dict(weights)
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:200]
        raise ConfigError(f"{file} does not fit its config.json: {reason}") from None
    return net.to(device).to(memory_format=torch.channels_last).eval().requires_grad_(False)
