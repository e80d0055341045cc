"""Flax's msgpack (`flax.serialization.to_bytes`), read and written without flax.

Arrays are extension type 1: msgpack of (shape, dtype name, row-major bytes); 2 is a complex number, 3 a NumPy scalar.
Arrays over 1 GiB are dicts of flat chunks. Nothing in the format is a pickle, and any other extension type is refused.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ivbench.adapters.formats.dtypes import dtype_named
from ivbench.adapters.formats.tree import Tree, arrays_of
from ivbench.errors import ConfigError
from ivbench.results.atomic import write_bytes

__all__ = ["FlaxFormat", "pack", "unpack"]

_NDARRAY, _COMPLEX, _SCALAR = 1, 2, 3
_CHUNKED = "__msgpack_chunked_array__"
_MAX_CHUNK = 2**30
"""Bytes; msgpack's own limit for one object is just under 2 GiB."""


class FlaxFormat:
    """`.msgpack`, and the files without a suffix that `flax.training.checkpoints` writes."""

    name = "flax"
    suffixes = (".msgpack",)
    pickles = False

    def knows(self, path: Path) -> bool:
        """A msgpack map whose first key is text."""
        if not path.is_file():
            return False
        with path.open("rb") as file:
            head = file.read(6)
        size = {0xDE: 3, 0xDF: 5}.get(head[0], 1 if 0x81 <= head[0] <= 0x8F else 0) if head else 0
        return bool(size) and len(head) > size and (0xA0 <= head[size] <= 0xBF or 0xD9 <= head[size] <= 0xDB)

    def read(self, path: Path, trust_pickle: bool = False) -> Tree:
        """Read a file; there is no pickle in the format to trust."""
        return unpack(path.read_bytes(), str(path))

    def write(self, path: Path, tree: Tree) -> None:
        """Write the bytes that flax would."""
        write_bytes(path, pack(tree))


def unpack(data: bytes, where: str) -> Tree:
    """The tree of a flax msgpack file.

    Args:
        data: of the whole file.
        where: how messages call it.

    Raises:
        ConfigError: not msgpack, torn, with an extension type or a dtype that is not flax's.
    """
    import msgpack

    try:
        found = msgpack.unpackb(data, ext_hook=_unpack_extension, raw=False, strict_map_key=False)
        tree = arrays_of(_joined(found), where, lambda value, _: value)
    except (ValueError, TypeError, RecursionError, msgpack.UnpackException) as error:
        raise ConfigError(f"{where} is not flax's msgpack: {str(error).rstrip('.')}. Save it again.") from error
    if not isinstance(tree, dict):
        raise ConfigError(f"{where} holds no dict of arrays. Save a state dict with flax.serialization.to_bytes.")
    return tree


def _unpack_extension(code: int, data: bytes) -> Any:
    import msgpack

    if code == _COMPLEX:
        real, imaginary = msgpack.unpackb(data)
        return complex(real, imaginary)
    if code not in (_NDARRAY, _SCALAR):
        raise ValueError(f"it holds extension type {code}, which could be a pickle and is never opened")
    shape, name, buffer = msgpack.unpackb(data, raw=True)
    text = name.decode() if isinstance(name, bytes) else str(name)
    try:
        dtype = dtype_named(text)
    except TypeError as error:
        raise ValueError(f'it holds an array of dtype "{text}", which could be a pickle and is never opened') from error
    return np.frombuffer(buffer, dtype).reshape(shape)


def _joined(value: Any) -> Any:
    """Chunked arrays put together."""
    if not isinstance(value, dict):
        return [_joined(inner) for inner in value] if isinstance(value, list) else value
    if _CHUNKED not in value:
        return {key: _joined(inner) for key, inner in value.items()}
    try:
        shape = tuple(value["shape"][str(axis)] for axis in range(len(value["shape"])))
        chunks = [value["chunks"][str(index)] for index in range(len(value["chunks"]))]
        return np.concatenate(chunks).reshape(shape)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"a chunked array lacks {error}") from error


def pack(tree: Tree, max_chunk: int = _MAX_CHUNK) -> bytes:
    """A tree as flax's msgpack.

    Args:
        tree: nested dicts of arrays.
        max_chunk: bytes; larger arrays are written in chunks of this size.
    """
    import msgpack

    packed: bytes = msgpack.packb(_chunked(tree, max_chunk), default=_pack_array, strict_types=True)
    return packed


def _chunked(value: Any, max_chunk: int) -> Any:
    if isinstance(value, dict):
        return {key: _chunked(inner, max_chunk) for key, inner in sorted(value.items())}
    if value.nbytes <= max_chunk:
        return value
    size, flat = max(1, max_chunk // value.itemsize), value.reshape(-1)
    chunks = [flat[start : start + size] for start in range(0, math.prod(value.shape), size)]
    return {_CHUNKED: True, "shape": _numbered(value.shape), "chunks": _numbered(chunks)}


def _numbered(values: Any) -> dict[str, Any]:
    return {str(index): value for index, value in enumerate(values)}


def _pack_array(value: NDArray[Any]) -> Any:
    import msgpack

    return msgpack.ExtType(_NDARRAY, msgpack.packb((value.shape, value.dtype.name, value.tobytes()), use_bin_type=True))
