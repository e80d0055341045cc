"""NumPy archives: `.npz`; names may be nested with slashes. An array of objects is a pickle and is refused."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ivbench.adapters.formats.base import TRUST
from ivbench.adapters.formats.dtypes import dtype_named
from ivbench.adapters.formats.tree import Tree, arrays_of, flatten
from ivbench.errors import ConfigError
from ivbench.results.atomic import write_bytes

__all__ = ["NpzFormat"]

_DTYPES = "__dtypes__"
"""The member, JSON text, that says which 2-byte void arrays are bfloat16: NumPy's own files cannot."""


class NpzFormat:
    """`.npz`, as `numpy.savez` and `savez_compressed` write it."""

    name = "npz"
    suffixes = (".npz",)
    pickles = True

    def knows(self, path: Path) -> bool:
        """A zip archive of .npy files."""
        if not zipfile.is_zipfile(path):
            return False
        with zipfile.ZipFile(path) as archive:
            return bool(archive.namelist()) and all(name.endswith(".npy") for name in archive.namelist())

    def read(self, path: Path, trust_pickle: bool = False) -> Tree:
        """Read an archive; with trust, arrays of objects are unpickled and their dicts read as nested."""
        if not zipfile.is_zipfile(path):
            raise ConfigError(f"{path} is not an .npz archive. Save it with numpy.savez.")
        try:
            with np.load(path, allow_pickle=trust_pickle) as archive:
                members = {name: _member(archive, name, path) for name in archive.files}
        except (zipfile.BadZipFile, EOFError, OSError, zipfile.LargeZipFile) as error:
            raise ConfigError(f"{path} is torn: {error}. Copy it again.") from error
        dtypes = _dtypes(members.pop(_DTYPES, None), path)
        tree: Tree = {}
        for name, array in members.items():
            level, (*parents, last) = tree, name.split("/")
            for key in parents:
                level = level.setdefault(key, {})
                if not isinstance(level, dict):
                    raise ConfigError(f'{path}: "{name}" begins with the name of another array. Rename one.')
            if last in level:
                raise ConfigError(f'{path} has two arrays called "{name}". Save it with one.')
            level[last] = _leaf(array, f"{path}: {name}") if name not in dtypes else array.view(dtypes[name])
        return tree

    def write(self, path: Path, tree: Tree) -> None:
        """Write an uncompressed archive under dotted names, bfloat16 as the 2-byte void that NumPy makes of it."""
        arrays, dtypes = {}, {}
        for name, array in flatten(tree).items():
            if array.dtype.name == "bfloat16":
                dtypes[name] = "bfloat16"
            arrays[name] = np.asarray(array, order="C").view("V2") if name in dtypes else array
        if dtypes:
            arrays[_DTYPES] = np.array(json.dumps(dtypes, sort_keys=True))
        file = io.BytesIO()
        np.savez(file, allow_pickle=False, **arrays)
        write_bytes(path, file.getvalue())


def _member(archive: Any, name: str, path: Path) -> NDArray[Any]:
    try:
        array = archive[name]
    except ValueError as error:
        if "allow_pickle" in str(error):
            raise ConfigError(
                f"{path}: {name} is an array of objects, which is a pickle: reading it could run code, so it was "
                f"refused. Save plain arrays. {TRUST}."
            ) from error
        raise ConfigError(f"{path}: {name} is not an array: {error}. Save it with numpy.savez.") from error
    if not isinstance(array, np.ndarray):
        raise ConfigError(f"{path}: {name} is not an .npy array. Save it with numpy.savez.")
    return array


def _dtypes(text: NDArray[Any] | None, path: Path) -> dict[str, np.dtype[Any]]:
    if text is None:
        return {}
    try:
        return {str(name): dtype_named(str(dtype)) for name, dtype in json.loads(str(text)).items()}
    except (ValueError, TypeError, AttributeError) as error:
        raise ConfigError(f"{path}: {_DTYPES} is not what ivbench wrote: {error}. Export it again.") from error


def _leaf(value: Any, where: str) -> Any:
    """Objects, which are here only where pickles are trusted, opened: a 0-d array of a dict is that dict."""
    if isinstance(value, np.ndarray) and value.dtype.hasobject:
        return arrays_of(value.tolist(), where, _leaf)
    return value
