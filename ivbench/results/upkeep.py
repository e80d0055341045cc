"""Upkeep of a store: what is in it, what is damaged, what may go."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from ivbench.errors import StoreError
from ivbench.results.store import Store

__all__ = ["Usage", "collect", "damaged", "leftovers", "sweep", "usage"]

DAMAGED = "damaged"
_ABANDONED = 3600.0
"""Seconds after which a file that no entry owns is a leftover of a process that died, and not being written."""
_DAY = 86_400.0
_TEMPORARY = re.compile(r"\.[0-9a-f]{40}\..*\.tmp")
"""What `write_bytes` calls the file that becomes one of an entry's."""


@dataclass(frozen=True)
class Usage:
    """One entry.

    Attributes:
        id: 64 hexadecimal digits.
        kind: what its writer called it: sample, extract, ...; `damaged` where that can't be read.
        bytes: of both files.
        used: when it was written or read last, seconds since 1970.
    """

    id: str
    kind: str
    bytes: int
    used: float


def usage(store: Store) -> Iterator[Usage]:
    """Every entry of a store, in the order of ids.

    Args:
        store: told by its `on_problem` of manifests that can't be read.
    """
    for task_id in store.ids():
        arrays, manifest = _files(store, task_id)
        with contextlib.suppress(FileNotFoundError):  # another process may take entries out
            stat = manifest.stat()
            size = stat.st_size + (arrays.stat().st_size if arrays.is_file() else 0)
            about = store.manifest(task_id)
            yield Usage(task_id, DAMAGED if about is None else str(about.get("kind", "")), size, stat.st_mtime)


def damaged(store: Store) -> Iterator[tuple[str, str]]:
    """(id, what is wrong) of every entry whose files are not what was written; reads every byte."""
    for task_id in store.ids():
        problem = store.damage(task_id)
        if problem:
            yield task_id, problem


def collect(store: Store, unused_days: float | None, max_bytes: int | None) -> list[Usage]:
    """The entries that may go: those unused for so long, then those used longest ago until the rest is small enough.

    Args:
        store: which.
        unused_days: None: whatever their age.
        max_bytes: what the rest may take; None: no limit.
    """
    by_use = sorted(usage(store), key=lambda entry: entry.used)
    limit = None if unused_days is None else time.time() - unused_days * _DAY
    going = [entry for entry in by_use if limit is not None and entry.used < limit]
    staying = by_use[len(going) :]
    total = sum(entry.bytes for entry in staying)
    for entry in staying:
        if max_bytes is None or total <= max_bytes:
            break
        going.append(entry)
        total -= entry.bytes
    return going


def leftovers(store: Store) -> list[Path]:
    """Files of processes that died: temporary ones, arrays without a manifest, locks that nobody holds.

    Each is named as the store names its own; no other file is one.
    """
    old = time.time() - _ABANDONED
    temporary = [path for path in store.root.glob("[0-9a-f][0-9a-f]/.*.tmp") if _TEMPORARY.fullmatch(path.name)]
    arrays = [path for path in store.files("safetensors") if not path.with_suffix(".json").exists()]
    locks = store.files("lock", "locks")
    return sorted(path for path in (*temporary, *arrays, *locks) if _modified(path) < old)


def sweep(paths: list[Path]) -> int:
    """Remove leftovers; a lock that is held stays. Returns how many went.

    Raises:
        StoreError: one can't be removed.
    """
    return sum(_removed(path) for path in paths)


def _removed(path: Path) -> bool:
    try:
        if path.suffix == ".lock":
            with FileLock(path, timeout=0):
                path.unlink(missing_ok=True)
        else:
            path.unlink(missing_ok=True)
    except Timeout:
        return False
    except OSError as error:
        raise StoreError(f"{path} can't be removed: {error.strerror or error}.") from error
    return True


def _files(store: Store, task_id: str) -> tuple[Path, Path]:
    folder = store.root / task_id[:2]
    return folder / f"{task_id}.safetensors", folder / f"{task_id}.json"


def _modified(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return time.time()
