"""The content-addressed store: what a task computed, under the task's id.

An entry is `xx/<id>.safetensors` (the arrays) and `xx/<id>.json` (the manifest: sha256 and size of the arrays, what
the writer said, and a digest of itself), xx = the id's first two digits. The manifest is written last and makes the
entry count. Nothing in the store is ever unpickled or run. The first write leaves a mark in the folder, so that upkeep
never takes anything out of a folder that is no store.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout
from safetensors import SafetensorError
from safetensors.numpy import load, save

from ivbench.config import canonical_json, digest
from ivbench.errors import StoreError
from ivbench.results.atomic import remedy, write_bytes

__all__ = ["STORE_VERSION", "Store"]

STORE_VERSION = 1
_ID = re.compile(r"[0-9a-f]{64}")
_FIELDS = {"about": dict, "bytes": int, "sha256": str}
"""What is read of a manifest."""
_MARK = "ivbench-store.txt"
_MARKED = "A store of ivbench. `ivbench store` shows and cleans it; what is taken out is computed again.\n"


class _Torn(Exception):
    """An entry's files don't agree; the message says how."""


def _warn(message: str) -> None:
    warnings.warn(message, stacklevel=3)


class Store:
    """A folder of entries that any number of processes may share.

    Args:
        root: the folder; made when it's first written to.
        on_problem: called with one line for each torn or altered entry, which then counts as missing.
        lock_timeout: seconds to wait for another process before giving up; -1: for ever.
    """

    def __init__(self, root: Path, on_problem: Callable[[str], None] = _warn, lock_timeout: float = -1) -> None:
        self.root = Path(root)
        self._on_problem = on_problem
        self._timeout = lock_timeout
        if self.root.exists() and not self.root.is_dir():
            raise StoreError(f"the store {self.root} is a file, a folder is needed. Choose another place.")

    def get(self, task_id: str) -> dict[str, np.ndarray[Any, Any]] | None:
        """The arrays of an entry, verified by digest; None where it's missing, torn or altered.

        Args:
            task_id: 64 hexadecimal digits.

        Raises:
            StoreError: the files can't be read (permission, disk), or not an id.
        """
        entry = self._verified(task_id)
        if entry is None:
            return None
        self._mark_used(task_id)
        try:
            return dict(load(entry[1]))
        except (SafetensorError, KeyError, ValueError) as error:
            self._on_problem(f"store entry {task_id[:12]} is torn: {error}; it is computed again")
            return None

    def manifest(self, task_id: str) -> dict[str, Any] | None:
        """What the writer said of an entry (versions, seconds, ...); None where it's missing or altered.

        Raises:
            StoreError: as `get`.
        """
        try:
            manifest = self._manifest(task_id)
        except _Torn as problem:
            self._on_problem(f"store entry {task_id[:12]} {problem}; it is computed again")
            return None
        return None if manifest is None else dict(manifest["about"])

    def has(self, task_id: str) -> bool:
        """Whether an entry is there and looks whole (manifest intact, arrays of its size); `get` also verifies bytes.

        Raises:
            StoreError: as `get`.
        """
        try:
            manifest = self._manifest(task_id)
            return manifest is not None and self._path(task_id, "safetensors").stat().st_size == manifest["bytes"]
        except (_Torn, FileNotFoundError):
            return False

    def put(self, task_id: str, arrays: Mapping[str, np.ndarray[Any, Any]], manifest: Mapping[str, Any]) -> None:
        """Write an entry, whole or not at all. A whole entry that's already there stays: equal ids are equal work.

        Args:
            task_id: 64 hexadecimal digits.
            arrays: name -> array of a plain numeric dtype.
            manifest: what to keep beside them: plain JSON data.

        Raises:
            StoreError: disk full, no permission, an array's dtype can't be stored, or not an id.
            ConfigError: the manifest isn't plain JSON data.
        """
        data = _serialized(arrays)
        body = {
            "format": "ivbench-store",
            "version": STORE_VERSION,
            "id": task_id,
            "sha256": hashlib.sha256(data).hexdigest(),
            "bytes": len(data),
            "about": json.loads(canonical_json(dict(manifest))),
        }
        text = canonical_json({**body, "digest": digest(body)})
        with self.lock(task_id):
            if self._quietly_whole(task_id):
                return
            with contextlib.suppress(FileNotFoundError):
                self._path(task_id, "json").unlink()
            write_bytes(self._path(task_id, "safetensors"), data)
            write_bytes(self._path(task_id, "json"), text.encode())

    @contextlib.contextmanager
    def lock(self, task_id: str) -> Iterator[None]:
        """Hold an entry, so that of two processes one computes and the other finds the result.

        Use: `with store.lock(id): found = store.get(id); ...; store.put(id, ...)`. Nests in one thread. A process that
        dies releases its locks.

        Raises:
            StoreError: not held within `lock_timeout`, or the store can't be written.
        """
        path = self._lock_path(task_id)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._mark()
            held = FileLock(path, timeout=self._timeout, is_singleton=True)
            held.acquire()
        except Timeout as error:
            raise StoreError(
                f"{path} is held by another process for over {self._timeout:g} s. Wait, or end it."
            ) from error
        except OSError as error:
            raise StoreError(f"{path} can't be written: {error.strerror or error}. {_remedy(error)}") from error
        try:
            yield
        finally:
            held.release()

    def held_elsewhere(self, key: str) -> bool:
        """Whether an entry is missing and another process is at it; what is no id is never held. Says it of a moment.

        Raises:
            StoreError: the lock's file can't be opened.
        """
        if not _ID.fullmatch(key) or self.has(key) or not (path := self._lock_path(key)).is_file():
            return False
        held = FileLock(path, timeout=self._timeout, is_singleton=True)
        try:
            held.acquire(timeout=0)
        except Timeout:
            return True
        except OSError as error:
            raise StoreError(f"{path} can't be opened: {error.strerror or error}. {_remedy(error)}") from error
        held.release()
        return False

    def ids(self) -> list[str]:
        """The ids of all entries, sorted."""
        return sorted(path.stem for path in self.files("json"))

    def files(self, suffix: str, under: str = ".") -> list[Path]:
        """The files of entries with a suffix: `under/xx/<id>.<suffix>`, xx = the id's first two digits."""
        found = (self.root / under).glob(f"[0-9a-f][0-9a-f]/*.{suffix}")
        return [path for path in found if _ID.fullmatch(path.stem) and path.stem[:2] == path.parent.name]

    def _lock_path(self, task_id: str) -> Path:
        return self.root / "locks" / task_id[:2] / f"{self._checked(task_id)}.lock"

    def marked(self) -> bool:
        """Whether the folder is a store: it has the mark, or an intact manifest (older stores have no mark)."""
        return (self.root / _MARK).is_file() or any(True for _ in self.latest())

    def damage(self, task_id: str) -> str:
        """What is wrong with an entry's files: "is torn (..)", "was altered (..)"; empty where it is whole or missing.

        Raises:
            StoreError: as `get`.
        """
        try:
            entry = self._read(task_id)
            if entry is not None:
                load(entry[1])
        except _Torn as problem:
            return str(problem)
        except (SafetensorError, KeyError, ValueError) as error:
            return f"is torn: {error}"
        return ""

    def remove(self, task_id: str) -> None:
        """Take an entry out; who asks for it afterwards computes it again.

        Raises:
            StoreError: the store can't be written.
        """
        with self.lock(task_id):
            try:
                for suffix in ("json", "safetensors"):
                    self._path(task_id, suffix).unlink(missing_ok=True)
            except OSError as error:
                raise StoreError(f"{self.root} can't be written: {error.strerror or error}.") from error

    def _mark(self) -> None:
        mark = self.root / _MARK
        if not mark.exists():
            mark.write_text(_MARKED, encoding="ascii")

    def _mark_used(self, task_id: str) -> None:
        """The manifest's time is when the entry was used last; a store that can only be read keeps no such record."""
        with contextlib.suppress(OSError):
            os.utime(self._path(task_id, "json"))

    def latest(self) -> Iterator[dict[str, Any]]:
        """What the writers said of entries, the one used last first; torn ones are left out."""
        for path in sorted(self.files("json"), key=_modified, reverse=True):
            with contextlib.suppress(_Torn):
                manifest = self._manifest(path.stem)
                if manifest is not None:
                    yield dict(manifest["about"])

    def _checked(self, task_id: str) -> str:
        if not _ID.fullmatch(task_id):
            raise StoreError(f"{task_id[:80]!r} is not a task id. An id has 64 hexadecimal digits.")
        return task_id

    def _path(self, task_id: str, suffix: str) -> Path:
        return self.root / self._checked(task_id)[:2] / f"{task_id}.{suffix}"

    def _verified(self, task_id: str) -> tuple[dict[str, Any], bytes] | None:
        try:
            return self._read(task_id)
        except _Torn as problem:
            self._on_problem(f"store entry {task_id[:12]} {problem}; it is computed again")
            return None

    def _quietly_whole(self, task_id: str) -> bool:
        try:
            return self._read(task_id) is not None
        except _Torn:
            return False

    def _read(self, task_id: str) -> tuple[dict[str, Any], bytes] | None:
        manifest = self._manifest(task_id)
        if manifest is None:
            return None
        data = _bytes(self._path(task_id, "safetensors"))
        if data is None:
            raise _Torn("has lost its arrays")
        if len(data) != manifest["bytes"]:
            raise _Torn(f"is torn ({len(data)} of {manifest['bytes']} bytes)")
        if hashlib.sha256(data).hexdigest() != manifest["sha256"]:
            raise _Torn("was altered (its digest differs)")
        return manifest, data

    def _manifest(self, task_id: str) -> dict[str, Any] | None:
        data = _bytes(self._path(task_id, "json"))
        if data is None:
            return None
        try:
            manifest = json.loads(data)
            body = {key: value for key, value in manifest.items() if key != "digest"}
            intact = manifest["digest"] == digest(body) and manifest["id"] == task_id
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise _Torn("has a torn manifest") from error
        if not intact:
            raise _Torn("has an altered manifest")
        if manifest.get("version") != STORE_VERSION:
            raise _Torn(f"has format version {manifest.get('version')!r}, not {STORE_VERSION}")
        if not all(type(manifest.get(key)) is kind for key, kind in _FIELDS.items()):
            raise _Torn("has a manifest that no store writes")
        return dict(manifest)


def _modified(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def _remedy(error: OSError) -> str:
    return remedy(error, "Choose another store.")


def _bytes(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StoreError(
            f"{path} can't be read: {error.strerror or error}. Check the store, or choose another."
        ) from error


def _serialized(arrays: Mapping[str, np.ndarray[Any, Any]]) -> bytes:
    try:
        return bytes(save({name: np.asarray(array, order="C") for name, array in arrays.items()}))
    except (SafetensorError, KeyError, ValueError, TypeError) as error:
        got = ", ".join(f"{name}: {getattr(array, 'dtype', type(array).__name__)}" for name, array in arrays.items())
        raise StoreError(
            f"arrays can't be stored ({got}). Use plain numeric dtypes such as float16 or uint8."
        ) from error
