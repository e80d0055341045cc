"""PyTorch's `torch.save` files. The format is known without torch; reading and writing need it."""

from __future__ import annotations

import io
import re
import zipfile
from pathlib import Path

from ivbench.adapters.formats.tree import Tree
from ivbench.errors import ConfigError
from ivbench.results.atomic import write_bytes

__all__ = ["TorchFormat"]


class TorchFormat:
    """`.pt`, `.pth`, `.ckpt`, `.bin`: zip archives of 1.6 and later, and the older single pickles."""

    name = "torch"
    suffixes = (".pt", ".pth", ".ckpt", ".bin")
    pickles = True

    def knows(self, path: Path) -> bool:
        """A zip archive with a data.pkl, or a pickle."""
        if not path.is_file():
            return False
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                return any(name.rpartition("/")[2] == "data.pkl" for name in archive.namelist())
        with path.open("rb") as file:
            return re.match(rb"\x80[\x02-\x05]", file.read(2)) is not None

    def read(self, path: Path, trust_pickle: bool = False) -> Tree:
        """Read a file with `weights_only=True`; with trust, modules in it stand for their `state_dict()`."""
        from ivbench.adapters.formats.torch_tensors import load_tree

        found = load_tree(path, trust_pickle)
        if not isinstance(found, dict):
            raise ConfigError(f"{path} holds no dict of tensors. Save a state_dict.")
        return dict(found)

    def write(self, path: Path, tree: Tree) -> None:
        """Write nested dicts of tensors."""
        import torch

        from ivbench.adapters.formats.torch_tensors import tensors

        file = io.BytesIO()
        torch.save(tensors(tree), file)
        write_bytes(path, file.getvalue())
