"""The store: whole entries or none, whatever happens to the files."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from filelock import FileLock

from ivbench.config import canonical_json, digest
from ivbench.errors import StoreError
from ivbench.results import Store
from ivbench.results.upkeep import usage
from tests.holders import held_by_another

ID = "ab" * 32


def store(folder: Path) -> tuple[Store, list[str]]:
    said: list[str] = []
    return Store(folder, on_problem=said.append), said


def files(folder: Path) -> tuple[Path, Path]:
    return folder / "ab" / f"{ID}.safetensors", folder / "ab" / f"{ID}.json"


def test_arrays_come_back_bit_for_bit(tmp_path: Path) -> None:
    kept, said = store(tmp_path)
    arrays = {
        "video": np.arange(48, dtype=np.float16).reshape(2, 4, 6),
        "transposed": np.arange(6, dtype=np.float32).reshape(2, 3).T,
        "bytes": np.array([0, 255], np.uint8),
        "scalar": np.array(3.0),
        "empty": np.zeros((0, 4)),
        "mask": np.array([True, False]),
    }
    assert kept.get(ID) is None
    kept.put(ID, arrays, {"seconds": 1.5})
    found = kept.get(ID)
    assert found is not None
    assert set(found) == set(arrays)
    for name, array in arrays.items():
        assert found[name].dtype == array.dtype
        assert found[name].shape == array.shape
        assert np.array_equal(found[name], array)
    assert kept.manifest(ID) == {"seconds": 1.5}
    assert kept.has(ID)
    assert kept.ids() == [ID]
    assert said == []


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "gone", "manifest cut", "manifest altered", "swapped"])
def test_a_damaged_entry_is_said_counts_as_missing_and_can_be_written_again(tmp_path: Path, damage: str) -> None:
    kept, said = store(tmp_path)
    kept.put(ID, {"a": np.arange(6)}, {"n": 1})
    arrays, manifest = files(tmp_path)
    data = arrays.read_bytes()
    if damage == "cut":
        arrays.write_bytes(data[:-3])
    elif damage == "flipped":
        arrays.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    elif damage == "empty":
        arrays.write_bytes(b"")
    elif damage == "gone":
        arrays.unlink()
    elif damage == "manifest cut":
        manifest.write_bytes(manifest.read_bytes()[:-5])
    elif damage == "manifest altered":
        manifest.write_text(manifest.read_text().replace('"n":1', '"n":2'))
    else:
        other = "ab" + "cd" * 31
        kept.put(other, {"a": np.arange(6)}, {})
        manifest.write_bytes((tmp_path / "ab" / f"{other}.json").read_bytes())
    assert kept.get(ID) is None
    assert len(said) == 1
    assert ID[:12] in said[0]
    assert "computed again" in said[0]
    kept.put(ID, {"a": np.arange(6)}, {"n": 1})
    found = kept.get(ID)
    assert found is not None
    assert np.array_equal(found["a"], np.arange(6))


@pytest.mark.parametrize(
    "change",
    [
        {"about": 5},
        {"about": None},
        {"bytes": "72"},
        {"bytes": True},
        {"sha256": None},
        {"version": 2},
        {"version": None},
    ],
)
def test_a_manifest_of_another_shape_is_damage_whatever_its_digest(tmp_path: Path, change: dict[str, Any]) -> None:
    kept, said = store(tmp_path)
    kept.put(ID, {"a": np.arange(6)}, {"kind": "sample"})
    _, manifest = files(tmp_path)
    body = json.loads(manifest.read_text()) | change
    del body["digest"]
    manifest.write_text(canonical_json({**body, "digest": digest(body)}))
    assert kept.get(ID) is None
    assert kept.manifest(ID) is None
    assert not kept.has(ID)
    assert list(kept.latest()) == []
    assert [entry.kind for entry in usage(kept)] == ["damaged"]
    assert kept.damage(ID)
    assert len(said) == 3
    kept.put(ID, {"a": np.arange(6)}, {"kind": "sample"})
    assert kept.manifest(ID) == {"kind": "sample"}


def test_a_whole_entry_is_not_written_twice(tmp_path: Path) -> None:
    kept, _ = store(tmp_path)
    kept.put(ID, {"a": np.zeros(3)}, {})
    before = [path.stat().st_ino for path in files(tmp_path)]
    kept.put(ID, {"a": np.zeros(3)}, {})
    assert [path.stat().st_ino for path in files(tmp_path)] == before


def test_a_full_disk_is_one_line_and_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept, said = store(tmp_path)

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(
            StoreError, match=r"No space left on device\. Free space and give the same command again: .*lost"
        ):
            kept.put(ID, {"a": np.zeros(3)}, {})
    assert list((tmp_path / "ab").iterdir()) == []
    assert kept.get(ID) is None
    assert said == []


@pytest.mark.parametrize(
    ("number", "said"), [(errno.ENOSPC, "Free space and give the same command again"), (errno.EACCES, "another store")]
)
@pytest.mark.parametrize(("holder", "name"), [(Path, "mkdir"), (Path, "write_text"), (FileLock, "acquire")])
def test_a_lock_that_cannot_be_made_says_what_helps(
    holder: type, name: str, number: int, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder, the store's mark, the lock's file; the last one is also what another process's work is seen by."""
    kept, _ = store(tmp_path)

    def refuse(*_: Any, **__: Any) -> None:
        raise OSError(number, os.strerror(number))

    if holder is FileLock:
        with kept.lock(ID):
            pass
    monkeypatch.setattr(holder, name, refuse)
    with pytest.raises(StoreError, match=f"{os.strerror(number)}.*{said}"), kept.lock(ID):
        pass
    if holder is FileLock:
        with pytest.raises(StoreError, match=f"{os.strerror(number)}.*{said}"):
            kept.held_elsewhere(ID)


def test_a_writer_that_dies_between_the_two_files_leaves_no_entry(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept, said = store(tmp_path)
    replace = os.replace

    def die(source: str, target: Path) -> None:
        if Path(target).suffix == ".json":
            raise KeyboardInterrupt
        replace(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", die)
        with pytest.raises(KeyboardInterrupt):
            kept.put(ID, {"a": np.zeros(3)}, {})
    assert kept.get(ID) is None
    assert said == []
    kept.put(ID, {"a": np.ones(3)}, {})
    found = kept.get(ID)
    assert found is not None
    assert found["a"][0] == 1


@pytest.mark.parametrize("task_id", ["", "ab", "../" * 20 + "ab" * 2, "AB" * 32, "ab" * 32 + "\n"])
def test_what_is_no_id_never_becomes_a_path(tmp_path: Path, task_id: str) -> None:
    kept, _ = store(tmp_path)
    for use in (kept.get, kept.has, kept.manifest, lambda one: kept.put(one, {}, {})):
        with pytest.raises(StoreError, match="not a task id"):
            use(task_id)


def test_arrays_that_cannot_be_stored_are_said(tmp_path: Path) -> None:
    kept, _ = store(tmp_path)
    with pytest.raises(StoreError, match="can't be stored"):
        kept.put(ID, {"a": np.array([object()])}, {})


def test_a_store_that_is_a_file_is_said(tmp_path: Path) -> None:
    (tmp_path / "s").write_text("")
    with pytest.raises(StoreError, match="is a file"):
        Store(tmp_path / "s")


def test_a_lock_nests_and_another_process_waits_for_it(tmp_path: Path) -> None:
    kept, _ = store(tmp_path)
    code = (
        "import sys; from pathlib import Path; from ivbench.results import Store\n"
        "from ivbench.errors import StoreError\n"
        "try:\n"
        f"    with Store(Path(sys.argv[1]), lock_timeout=0).lock('{ID}'): print('held')\n"
        "except StoreError as error: print(error)\n"
    )
    with kept.lock(ID), kept.lock(ID):
        kept.put(ID, {"a": np.zeros(2)}, {})
        run = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, text=True, check=True)
    assert "held by another process" in run.stdout


def test_only_a_missing_entry_that_another_process_is_at_is_held_elsewhere(tmp_path: Path) -> None:
    kept, _ = store(tmp_path)
    assert not kept.held_elsewhere(ID)
    assert not kept.held_elsewhere("load base")
    assert not (tmp_path / "locks").exists()
    with kept.lock(ID):
        assert not kept.held_elsewhere(ID)
    with held_by_another(tmp_path, ID) as release:
        assert kept.held_elsewhere(ID)
        release()
        assert not kept.held_elsewhere(ID)
    kept.put(ID, {"a": np.zeros(2)}, {})
    with held_by_another(tmp_path, ID):
        assert not kept.held_elsewhere(ID)


def test_two_processes_that_write_the_same_entries_harm_nothing(tmp_path: Path) -> None:
    code = (
        "import sys, warnings, numpy as np; from pathlib import Path; from ivbench.results import Store\n"
        "warnings.simplefilter('error')\n"
        "kept = Store(Path(sys.argv[1]))\n"
        "for i in range(15):\n"
        "    name = f'{i:064x}'\n"
        "    kept.put(name, {'a': np.full(1000, i)}, {'writer': sys.argv[2]})\n"
        "    found = kept.get(name)\n"
        "    assert found is not None and (found['a'] == i).all(), name\n"
    )
    both = [
        subprocess.Popen([sys.executable, "-c", code, tmp_path, name], stderr=subprocess.PIPE, text=True)
        for name in ("one", "two")
    ]
    assert [process.communicate()[1] for process in both] == ["", ""]
    kept, said = store(tmp_path)
    assert len(kept.ids()) == 15
    assert all(kept.get(name) is not None for name in kept.ids())
    assert said == []
    assert not list(tmp_path.rglob("*.tmp"))
