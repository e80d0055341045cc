"""Downloads of published weights, where there is a network: checked by digest, whole or not at all."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path

from ivbench.errors import DigestError

__all__ = ["NotFetched", "fetch_file", "hub_file", "offline"]

_OFFLINE = ("IVBENCH_OFFLINE", "HF_HUB_OFFLINE")


class NotFetched(Exception):
    """Nothing was downloaded; says why. Whoever catches it says what to do instead."""


def offline() -> bool:
    """Whether `IVBENCH_OFFLINE` or `HF_HUB_OFFLINE` forbids downloads."""
    return any(os.environ.get(name, "").lower() in ("1", "true", "yes", "on") for name in _OFFLINE)


def fetch_file(uri: str, sha256: str | None, place: Path, tell: Callable[[str], None]) -> None:
    """Download a file.

    Args:
        uri: http or https.
        sha256: that it must have (hex); None: none is known.
        place: where it is put.
        tell: is told what is about to happen.

    Raises:
        NotFetched: downloads are forbidden, pooch is not installed, or there is no network.
        DigestError: the file is another; nothing is kept.
    """
    if offline():
        raise NotFetched("offline")
    try:
        import pooch
    except ModuleNotFoundError:
        raise NotFetched("pooch, which downloads, is not installed") from None
    tell(f"downloading {uri}")
    pooch.get_logger().setLevel(logging.ERROR)
    place.parent.mkdir(parents=True, exist_ok=True)
    try:
        pooch.retrieve(uri, f"sha256:{sha256}" if sha256 else None, fname=place.name, path=place.parent)
    except OSError as error:  # requests' errors are
        raise NotFetched(f"{type(error).__name__}: is there a network?") from None
    except ValueError:
        raise DigestError(f"{uri} is not what was published: its sha256 is not {sha256}. Get another copy.") from None


def hub_file(repository: str, name: str) -> Path | None:
    """Where the Hugging Face hub's cache keeps a file; None where it does not, or the hub's library is absent."""
    try:
        from huggingface_hub import try_to_load_from_cache
    except ModuleNotFoundError:
        return None
    found = try_to_load_from_cache(repository, name)
    return Path(found) if isinstance(found, str) else None
