"""Checkpoints of a training: written whole or not at all, read without unpickling code."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import torch

from ivbench.errors import ConfigError, StoreError
from ivbench.results.atomic import write_bytes

__all__ = ["read_checkpoint", "write_checkpoint"]


def write_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write a state: tensors, numbers and texts in dicts and lists.

    Raises:
        StoreError: the place cannot be written.
    """
    buffer = io.BytesIO()
    torch.save(state, buffer)
    write_bytes(path, buffer.getvalue())


def read_checkpoint(path: Path, keys: tuple[str, ...]) -> dict[str, Any]:
    """Read a state back.

    Args:
        path: a file of `write_checkpoint`.
        keys: what the state must hold.

    Raises:
        StoreError: the file is torn, or not a checkpoint.
        ConfigError: it is the checkpoint of something else.
    """
    data = io.BytesIO(path.read_bytes())
    try:
        state = torch.load(data, weights_only=True, map_location="cpu")
    except Exception as error:  # bytes that are no checkpoint can make the reader fail in any way
        raise StoreError(f"{path} is torn or not a checkpoint. Remove it to train from the start.") from error
    if not isinstance(state, dict) or not state.keys() >= set(keys):
        raise ConfigError(f"{path} is not the checkpoint of such a training. Give another folder with --out.")
    return state
