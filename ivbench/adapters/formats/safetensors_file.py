"""Safetensors: flat names, no code; the native format."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, deserialize
from safetensors.numpy import save

from ivbench.adapters.formats.dtypes import dtype_named
from ivbench.adapters.formats.tree import Arrays, Tree, flatten
from ivbench.errors import ConfigError
from ivbench.results.atomic import write_bytes

__all__ = ["SafetensorsFormat", "arrays_from_bytes"]

_DTYPES = {
    "BF16": "bfloat16",
    "BOOL": "bool",
    "F16": "float16",
    "F32": "float32",
    "F64": "float64",
    "F8_E4M3": "float8_e4m3fn",
    "F8_E5M2": "float8_e5m2",
    **{f"{kind}{bits}": f"{name}{bits}" for kind, name in (("I", "int"), ("U", "uint")) for bits in (8, 16, 32, 64)},
}


def arrays_from_bytes(data: bytes, where: str) -> Arrays:
    """The tensors of a safetensors file by name; bfloat16 too, which the library's own NumPy reader lacks.

    Args:
        data: of the whole file.
        where: how messages call it.

    Raises:
        ConfigError: not safetensors, torn, or with tensors of an unknown dtype.
    """
    try:
        views: list[tuple[str, dict[str, Any]]] = deserialize(data)  # type: ignore[no-untyped-call]  # has no stubs
    except SafetensorError as error:
        raise ConfigError(f"{where} is not a safetensors file: {error}. Export the weights again.") from error
    unknown = sorted({view["dtype"] for _, view in views} - _DTYPES.keys())
    if unknown:
        raise ConfigError(f"{where} holds {', '.join(unknown)} tensors. Export the weights as float32 or float16.")
    return {
        name: np.frombuffer(view["data"], dtype_named(_DTYPES[view["dtype"]])).reshape(view["shape"])
        for name, view in sorted(views)
    }


class SafetensorsFormat:
    """`.safetensors`: one flat dict."""

    name = "safetensors"
    suffixes = (".safetensors",)
    pickles = False

    def knows(self, path: Path) -> bool:
        """By the length of the header and the brace that opens it."""
        if not path.is_file():
            return False
        with path.open("rb") as file:
            head = file.read(9)
        return len(head) == 9 and head[8:] == b"{" and int.from_bytes(head[:8], "little") <= path.stat().st_size

    def read(self, path: Path, trust_pickle: bool = False) -> Tree:
        """Read a file; there is no pickle in it to trust."""
        return dict(arrays_from_bytes(path.read_bytes(), str(path)))

    def write(self, path: Path, tree: Tree) -> None:
        """Write a tree under its dotted names."""
        write_bytes(path, save({name: np.asarray(array, order="C") for name, array in sorted(flatten(tree).items())}))
