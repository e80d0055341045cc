"""The identity of a text encoder's folder that has no card."""

from __future__ import annotations

import hashlib
from pathlib import Path

from ivbench.config import file_digest
from ivbench.errors import MissingFileError

__all__ = ["folder_digest"]

_IDENTITY = (
    "added_tokens.json",
    "config.json",
    "special_tokens_map.json",
    "spiece.model",
    "tokenizer.json",
    "tokenizer_config.json",
)
"""Besides the weights (`*.safetensors`), the files of an encoder's folder that decide its embeddings."""


def folder_digest(folder: Path) -> str:
    """The identity of an encoder's folder: sha256 over the names and sha256s of the files that decide its embeddings.

    The digest is that of the lines "<sha256>  <name>", sorted by name, as `sha256sum` prints them.

    Args:
        folder: config.json, tokenizer files and *.safetensors; anything else (cards, licences) is not covered.

    Raises:
        MissingFileError: no safetensors or no config.json.
    """
    weights = sorted(folder.glob("*.safetensors"))
    if not weights or not (folder / "config.json").is_file():
        raise MissingFileError(
            f"{folder} is not a text encoder's folder: config.json, a tokenizer and *.safetensors are needed "
            "(pickled weights are never read). Convert the weights to safetensors."
        )
    extra = sorted(folder.glob("*.safetensors.index.json"))
    files = [*weights, *extra, *(folder / name for name in _IDENTITY if (folder / name).is_file())]
    lines = [f"{file_digest(file)}  {file.name}\n" for file in sorted(files, key=lambda file: file.name)]
    return hashlib.sha256("".join(lines).encode()).hexdigest()
