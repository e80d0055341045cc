"""A checkpoint as a tree: nested dicts with NumPy arrays as leaves; flat names join the keys with dots."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ivbench.errors import ConfigError

__all__ = ["Arrays", "Tree", "arrays_of", "flatten", "nest"]

Arrays = dict[str, NDArray[Any]]
Tree = dict[str, Any]
"""Keys are strings; a leaf is an array, or anything else that is no weight (a step, a name, None)."""

_DEPTH = 64


def arrays_of(value: Any, where: str, leaf: Callable[[Any, str], Any], depth: int = 0) -> Any:
    """What a library read, as a tree: mappings as dicts, lists and tuples as dicts by index, leaves by `leaf`.

    Args:
        value: nested mappings, lists and tuples.
        where: how messages call it: the file, then the keys so far.
        leaf: (value, where) -> an array, or the value where it is no tensor.
        depth: how many levels lie above.

    Raises:
        ConfigError: nested too deep, or two keys that are one as text.
    """
    if depth > _DEPTH:
        raise ConfigError(f"{where} is nested over {_DEPTH} levels deep. Save the weights alone.")
    if isinstance(value, Mapping):
        items = [(str(key), inner) for key, inner in value.items()]
    elif isinstance(value, list | tuple):
        items = [(str(index), inner) for index, inner in enumerate(value)]
    else:
        return leaf(value, where)
    found: Tree = {}
    for key, inner in items:
        if key in found:
            raise ConfigError(f'{where} has two keys that read "{key}". Save it with one.')
        found[key] = arrays_of(inner, f"{where}: {key}" if not depth else f"{where}.{key}", leaf, depth + 1)
    return found


def flatten(tree: Mapping[str, Any], where: str = "the checkpoint") -> Arrays:
    """Its arrays by dotted name, in order; other leaves are dropped.

    Raises:
        ConfigError: two arrays have one name, such as {"a": {"b": ...}, "a.b": ...}.
    """
    found: Arrays = {}
    _collect(tree, "", found, where)
    return found


def _collect(tree: Mapping[str, Any], prefix: str, found: Arrays, where: str) -> None:
    for key, value in tree.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            _collect(value, f"{name}.", found, where)
        elif isinstance(value, np.ndarray):
            if name in found:
                raise ConfigError(f'{where} has two tensors called "{name}". Save it with one.')
            found[name] = value


def nest(arrays: Mapping[str, NDArray[Any]]) -> Tree:
    """Nested dicts of dotted names: {"a.b": x} -> {"a": {"b": x}}; `flatten` gives the same names again.

    Raises:
        ConfigError: a name is also the beginning of another.
    """
    tree: Tree = {}
    for name, array in arrays.items():
        *path, last = name.split(".")
        level = tree
        for key in path:
            level = level.setdefault(key, {})
            if not isinstance(level, dict):
                raise ConfigError(f'"{name}" begins with the name of another tensor and cannot be nested.')
        if last in level:
            raise ConfigError(f'"{name}" is also the beginning of another tensor\'s name and cannot be nested.')
        level[last] = array
    return tree
