"""One byte string for one meaning: canonical JSON and digests of it, of texts and of files."""

from __future__ import annotations

import hashlib
import json
import unicodedata
from pathlib import Path
from typing import Any

from ivbench.errors import ConfigError, MissingFileError

__all__ = ["canonical_json", "digest", "file_digest", "text_digest"]

_CHUNK = 1 << 20


def canonical_json(value: Any) -> str:
    """JSON with sorted keys, no spaces, UTF-8 characters as they are, and the shortest exact floats.

    Args:
        value: dicts with string keys, lists, tuples, strings, finite numbers, booleans, None.

    Raises:
        ConfigError: NaN, infinity, or a type that JSON doesn't have.
    """
    try:
        return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ConfigError(
            f"settings can't be written as canonical JSON: {error}. Use finite numbers and text."
        ) from error


def digest(value: Any) -> str:
    """The sha256 of the canonical JSON of a value, 64 hexadecimal digits.

    Raises:
        ConfigError: as `canonical_json`.
    """
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


def text_digest(text: str) -> str:
    """The sha256 of a text's NFC form in UTF-8: texts that look the same and differ only in composition agree."""
    return hashlib.sha256(unicodedata.normalize("NFC", text).encode()).hexdigest()


def file_digest(path: Path) -> str:
    """The sha256 of a file's bytes, read in pieces of 1 MiB.

    Raises:
        MissingFileError: there's no such file.
    """
    found = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while piece := file.read(_CHUNK):
                found.update(piece)
    except (FileNotFoundError, IsADirectoryError) as error:
        raise MissingFileError(f"{path} is not there. Check the path, or fetch the file again.") from error
    return found.hexdigest()
