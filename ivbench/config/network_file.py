"""A network of somebody's own as a file with a declared input: what `--extractor NET.yaml` reads."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from ivbench.config.parse import Frozen, parse
from ivbench.config.profile import ResizeStep, Scale
from ivbench.config.yaml import read_yaml

__all__ = ["NetworkFile", "read_network_file"]


class NetworkFile(Frozen):
    """What a network sees and gives: frames [N, 3, H, W] or clips [N, 3, T, H, W] float32 -> [N, dim]."""

    name: str = Field(min_length=1, description="stands in every label of its numbers")
    kind: Literal["frames", "clips"] = Field(description="features of each frame, or of each video")
    file: str = Field(description="TorchScript (.pt), ONNX (.onnx) or a SavedModel's folder, from the YAML's folder")
    sha256: str | None = Field(
        default=None, pattern=r"^[0-9a-f]{64}$", description='of the file; without it labels say "unverified weights"'
    )
    dim: int = Field(ge=1, description="the number of features")
    resize: tuple[ResizeStep, ...] = Field(default=(), description="in order; none: frames as they are")
    scale: Scale = Field(description="none, tf, symmetric, imagenet: see profiles")
    channels: Literal["first", "last"] = Field(default="first", description="last: [N, H, W, 3] or [N, T, H, W, 3]")
    batch: int = Field(default=16, ge=1, description="frames or clips at once")
    input: str = Field(default="", description="ONNX: empty is its first; SavedModel: an argument of serving_default")
    output: str = Field(default="", description="ONNX: empty is its first; SavedModel: an output, or a tensor's name")


def read_network_file(path: Path) -> NetworkFile:
    """The declaration in a YAML file.

    Raises:
        MissingFileError: there is none.
        ConfigError: a key is unknown, missing or wrong.
    """
    return parse(NetworkFile, read_yaml(path), str(path))
