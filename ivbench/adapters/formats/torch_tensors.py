"""Tensors and pickles of PyTorch files: what `torch.load` gives as NumPy arrays, and back.

Files are read with `weights_only=True`, so that a pickle in them cannot run code.
"""

from __future__ import annotations

import pickle
import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ivbench.adapters.formats.base import TRUST
from ivbench.adapters.formats.dtypes import dtype_named
from ivbench.adapters.formats.tree import arrays_of
from ivbench.errors import ConfigError

__all__ = ["load_tree", "tensors"]

_SAFE_FROM = (2, 6)
"""Before 2.6.0, `weights_only=True` could be made to run code (CVE-2025-32434)."""

_BITS = {1: torch.uint8, 2: torch.int16}


def load_tree(path: Path, trust_pickle: bool) -> Any:
    """A file as nested dicts of arrays; with trust, modules in it stand for their `state_dict()`.

    Raises:
        ConfigError: not a torch file, torn, or with a pickle that asks for more than tensors and was not trusted.
    """
    return arrays_of(_load(path, trust_pickle), str(path), _leaf)


def _load(path: Path, trust_pickle: bool) -> Any:
    version = tuple(int(part) for part in re.findall(r"\d+", torch.__version__)[:2])
    if version < _SAFE_FROM and not trust_pickle:
        raise ConfigError(
            f"{path}: torch {torch.__version__} cannot read a checkpoint without the risk of running code in it "
            '(CVE-2025-32434). Run: pip install "torch>=2.6"'
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of old formats and TorchScript; what is wrong raises
            return torch.load(path, map_location="cpu", weights_only=not trust_pickle)
    except pickle.UnpicklingError as error:
        raise ConfigError(f"{path} {_why(str(error))}") from error
    except Exception as error:  # a damaged file raises whatever its bytes led to
        if "TorchScript" in str(error):
            raise ConfigError(f"{path} is a TorchScript archive, which is code. Save its state_dict().") from error
        raise ConfigError(f"{path} is not a sound torch file: {_first_line(error)}. Save it again.") from error


def _why(message: str) -> str:
    """What `weights_only` refused, in a sentence."""
    found = re.search(r"GLOBAL ([\w.]+)", message)
    if found or "Unsupported" in message:
        what = f"asks for {found[1]}" if found else "asks for more than tensors"
        return (
            f"holds a pickle that {what}: reading it could run code, so it was refused. "
            f"Save the weights alone: torch.save(model.state_dict(), ...) or safetensors. {TRUST}."
        )
    return f"is not a sound torch file: {message.splitlines()[0]}. Save it again."


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")


def _leaf(value: Any, where: str) -> Any:
    if isinstance(value, Tensor):
        return _array(value.detach(), where)
    if callable(getattr(value, "state_dict", None)):
        return arrays_of(value.state_dict(), where, _leaf)
    return value


def _array(tensor: Tensor, where: str) -> Any:
    if tensor.layout != torch.strided or tensor.is_quantized or tensor.is_meta:
        raise ConfigError(f"{where} is not a plain dense tensor. Save it dense and unquantised.")
    tensor = tensor.contiguous()
    name = str(tensor.dtype).removeprefix("torch.")
    if name == "bfloat16" or name.startswith("float8"):
        bits = tensor.reshape(-1).view(_BITS[tensor.element_size()]).numpy()
        return bits.view(dtype_named(name)).reshape(tuple(tensor.shape))
    return tensor.numpy()


def tensors(tree: Any) -> Any:
    """Nested dicts of arrays as nested dicts of tensors, bit for bit."""
    if isinstance(tree, dict):
        return {key: tensors(value) for key, value in tree.items()}
    array = np.array(tree, order="C")
    if array.dtype.name == "bfloat16":
        return torch.from_numpy(array.reshape(-1).view(np.int16)).view(torch.bfloat16).reshape(array.shape)
    return torch.from_numpy(array)
