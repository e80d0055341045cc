"""The file that imagen-pytorch's trainer saves, read without running code."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ivbench.errors import ConfigError, MissingDependencyError, MissingFileError

__all__ = [
    "FPS",
    "FRAMES",
    "NOISE_LEVEL",
    "T5",
    "TOKENS",
    "averaged",
    "imagen_package",
    "imagen_params",
    "read_imagen",
    "weights_of",
]

FRAMES, FPS = 16, 8.0
"""A checkpoint knows neither."""
T5, TOKENS = "google/t5-v1_1-base", 256
"""Its default text encoder, and how many tokens of a prompt it reads."""
NOISE_LEVEL = 0.2
"""Its default time of the noise in the low-resolution video."""


def read_imagen(path: Path) -> Mapping[str, Any]:
    """What is in the file: tensors are mapped, not read.

    Raises:
        ConfigError: no checkpoint, or one that would run code.
        MissingDependencyError: imagen-pytorch is not installed.
        MissingFileError: there's no such file.
    """
    if find_spec("imagen_pytorch") is None:
        raise MissingDependencyError("imagen-pytorch", "imagen-pytorch")
    import torch

    if not path.is_file():
        raise MissingFileError(f"{path} is not there. Give the file that ImagenTrainer.save wrote.")
    try:
        found = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError) as error:
        raise ConfigError(
            f"{path} is no checkpoint that can be read without running code. Save it again with ImagenTrainer.save."
        ) from error
    return found if isinstance(found, dict) else {}


def imagen_params(loaded: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """The configuration in it.

    Raises:
        ConfigError: there is none, or it is not that of an Imagen that makes videos from text.
    """
    params, kind = loaded.get("imagen_params"), loaded.get("imagen_type")
    if not isinstance(params, dict):
        raise ConfigError(
            f"{path} has no configuration. Build the Imagen by ImagenConfig(...).create() and save it with its trainer."
        )
    if kind != "original" or not params.get("video") or params.get("condition_on_text") is False:
        raise ConfigError(
            f"{path} is of the type {kind!r}, video: {bool(params.get('video'))}. An Imagen of the type 'original' is "
            "needed, which makes videos from text."
        )
    return params


def averaged(loaded: Mapping[str, Any], unet: int) -> dict[str, Any]:
    """The averaged (EMA) weights of a U-Net, counted from 0; empty where there are none."""
    return _under(f"{unet}.ema_model.", loaded.get("ema", {}))


def weights_of(loaded: Mapping[str, Any], unet: int) -> dict[str, Any]:
    """The averaged weights of a U-Net where there are such, else those that were trained."""
    return averaged(loaded, unet) or _under(f"unets.{unet}.", loaded.get("model", {}))


def imagen_package() -> Any:
    """imagen-pytorch, which asks the hub for its default T5's configuration while it is imported.

    Raises:
        ConfigError: that is neither in the cache nor to be fetched.
    """
    try:
        import imagen_pytorch
    except OSError as error:
        raise ConfigError(
            f"imagen-pytorch cannot be imported without the configuration of {T5}, which it asks the hub for. "
            f"Fetch it once: hf download {T5} config.json"
        ) from error
    return imagen_pytorch


def _under(prefix: str, state: Mapping[str, Any]) -> dict[str, Any]:
    return {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}
