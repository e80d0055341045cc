"""Orbax checkpoints: folders of arrays in tensorstore; read as NumPy arrays, whatever devices they were saved from."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from ivbench.adapters.formats.tree import Tree, arrays_of
from ivbench.errors import ConfigError, IvbenchError, StoreError

__all__ = ["OrbaxFolder"]

_TREE = ("_METADATA", "checkpoint")
"""A folder with one of these holds a tree of arrays: orbax's own, or that of its oldest versions."""
_STEP = "_CHECKPOINT_METADATA"


class OrbaxFolder:
    """A folder of `PyTreeCheckpointer` or `StandardCheckpointer`, or a step of `CheckpointManager` with its items."""

    name = "orbax"
    suffixes: tuple[str, ...] = ()
    pickles = False

    def knows(self, path: Path) -> bool:
        """A folder that holds a tree, a step, or steps."""
        return path.is_dir() and (_is_tree(path) or bool(_items(path)) or bool(_steps(path)))

    def read(self, path: Path, trust_pickle: bool = False) -> Tree:
        """Read a folder; there is no pickle in the format to trust. Items of a step are the first keys."""
        steps = _steps(path)
        if len(steps) > 1:
            names = ", ".join(step.name for step in steps)
            raise ConfigError(f"{path} holds several steps: {names}. Name one of them: {steps[-1]}.")
        if steps:
            return self.read(steps[0])
        if _is_tree(path):
            return _read_tree(path)
        return {item.name: _read_tree(item) for item in _items(path)}

    def write(self, path: Path, tree: Tree) -> None:
        """Write nested dicts as `PyTreeCheckpointer` does."""
        import orbax.checkpoint as ocp

        path = path.absolute()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent) as temporary:
                ocp.PyTreeCheckpointer().save(Path(temporary) / "tree", tree)
                shutil.move(Path(temporary) / "tree", path)
        except OSError as error:
            raise StoreError(f"{path} can't be written: {error.strerror or error}. Choose another place.") from error


def _is_tree(path: Path) -> bool:
    return any((path / name).is_file() for name in _TREE)


def _items(path: Path) -> list[Path]:
    return sorted(item for item in path.iterdir() if item.is_dir() and _is_tree(item) and not item.name.isdigit())


def _steps(path: Path) -> list[Path]:
    if _is_tree(path) or (path / _STEP).is_file():
        return []
    steps = [step for step in path.iterdir() if step.is_dir() and step.name.isdigit()]
    return sorted((step for step in steps if _is_tree(step) or _items(step)), key=lambda step: int(step.name))


def _read_tree(path: Path) -> Tree:
    import orbax.checkpoint as ocp

    checkpointer, path = ocp.PyTreeCheckpointer(), path.absolute()
    try:
        described = checkpointer.metadata(path)
        described = getattr(described, "item_metadata", described)
        described = getattr(described, "tree", described)
        restored = checkpointer.restore(path, restore_args=_arguments(described))
    except IvbenchError:
        raise
    except Exception as error:  # orbax and tensorstore raise what they please over a torn folder
        said = (str(error).splitlines() or [type(error).__name__])[0][:200].rstrip(".")
        raise ConfigError(f"{path} is not a sound orbax checkpoint: {said}. Copy or save it again.") from error
    found = arrays_of(restored, str(path), _leaf)
    if not isinstance(found, dict):
        raise ConfigError(f"{path} holds no dict of arrays. Save a dict.")
    return found


def _arguments(described: Any) -> Any:
    import jax
    from orbax.checkpoint import RestoreArgs

    return jax.tree.map(lambda about: RestoreArgs(restore_type=_kind(about)), described)


def _kind(about: Any) -> type[Any] | None:
    """NumPy for arrays, so that no device of the saving machine is asked for; the library's own for other leaves."""
    return np.ndarray if getattr(about, "dtype", None) is not None and getattr(about, "shape", None) else None


def _leaf(value: Any, where: str) -> Any:
    if type(value).__name__ == "ExtType":
        raise ConfigError(f"{where} is a msgpack extension that could be a pickle; it is never opened. Save arrays.")
    return np.asarray(value) if hasattr(value, "__array__") else value
