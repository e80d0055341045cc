"""Weights files of PyTorch: state dicts without unpickling code, and TorchScript archives."""

from __future__ import annotations

import pickle
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from ivbench.errors import ConfigError, NonFiniteError

__all__ = ["fill", "fill_from", "is_torchscript", "load_torchscript", "read_state"]

_SIZES = ("input_resolution", "context_length", "vocab_size")


def is_torchscript(path: Path) -> bool:
    """Whether a file is a TorchScript archive: a zip with code in it."""
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any("/code/" in name for name in archive.namelist())


def load_torchscript(path: Path, device: str) -> Any:
    """A TorchScript module, frozen.

    TorchScript is code that runs: its digest says whose.

    Raises:
        ConfigError: it can't be loaded.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # PyTorch's, that the format is old: the files are
            return torch.jit.load(str(path), map_location=device).eval()
    except (RuntimeError, ValueError) as error:
        raise ConfigError(f"{path} is no TorchScript that loads: {_first_line(error)}.") from None


def fill(net: nn.Module, path: Path, what: str) -> nn.Module:
    """Fill a network from a state dict (.pth, .pt, .safetensors) and freeze it; every name must fit.

    Args:
        net: the network.
        path: the file.
        what: how messages call the network, and which file fits it.

    Raises:
        ConfigError: no state dict, or names or shapes differ.
        NonFiniteError: NaN or infinity in the weights.
    """
    return fill_from(net, read_state(path), path, what)


def fill_from(net: nn.Module, state: Mapping[str, Tensor], path: Path, what: str) -> nn.Module:
    """As `fill`, from what `read_state` read of the file."""
    for name, value in state.items():
        if value.is_floating_point() and not bool(torch.isfinite(value).all()):
            raise NonFiniteError(f'"{name}" in {path} holds NaN or infinity. Fetch the file again.')
    try:
        net.load_state_dict(state)
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:160]
        raise ConfigError(f"{path} is not {what}: {reason}") from None
    return net.float().eval().requires_grad_(False)


def read_state(path: Path) -> dict[str, Tensor]:
    """The state dict of a file (.pth, .pt, .safetensors), read without running code; or of a TorchScript archive.

    Raises:
        ConfigError: it holds none.
    """
    if is_torchscript(path):  # OpenAI's files of CLIP, which hold three sizes beside the weights
        whole = load_torchscript(path, "cpu").state_dict()
        return {name: value for name, value in whole.items() if name not in _SIZES}
    try:
        if path.suffix == ".safetensors":
            return dict(load_file(path))
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, pickle.UnpicklingError, SafetensorError, OSError, ValueError) as error:
        raise ConfigError(f"{path} is no state dict that loads without running code: {_first_line(error)}.") from None
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise ConfigError(f"{path} is no state dict: a mapping of names to tensors is expected.")
    return state


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).strip().splitlines()[0].rstrip(".")[:160]
