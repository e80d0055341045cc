"""Upkeep of the store: usage, verification, collection, leftovers."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock
from hypothesis import given, settings
from hypothesis import strategies as st

from ivbench.results import Store
from ivbench.results.upkeep import collect, damaged, leftovers, sweep, usage

DAY = 86_400


def fill(folder: Path, ages: list[float], size: int = 1000) -> tuple[Store, list[str]]:
    """A store with one entry an age, in days since it was used."""
    store, ids = Store(folder), [f"{number:064x}" for number in range(len(ages))]
    for task_id, age in zip(ids, ages, strict=True):
        store.put(task_id, {"a": np.zeros(size, np.uint8)}, {"kind": "sample"})
        used = time.time() - age * DAY
        os.utime(folder / task_id[:2] / f"{task_id}.json", (used, used))
    return store, ids


def test_usage_counts_both_files_of_an_entry(tmp_path: Path) -> None:
    store, ids = fill(tmp_path, [0, 0])
    store.put("f" * 64, {"a": np.zeros(5)}, {"kind": "extract"})
    found = {entry.id: entry for entry in usage(store)}
    assert [found[key].kind for key in (*ids, "f" * 64)] == ["sample", "sample", "extract"]
    for key, entry in found.items():
        files = list((tmp_path / key[:2]).glob(f"{key}.*"))
        assert entry.bytes == sum(file.stat().st_size for file in files)
        assert len(files) == 2


def test_reading_an_entry_is_using_it(tmp_path: Path) -> None:
    store, ids = fill(tmp_path, [9, 9])
    store.get(ids[0])
    ages = {entry.id: time.time() - entry.used for entry in usage(store)}
    assert ages[ids[0]] < DAY
    assert ages[ids[1]] > 8 * DAY


def test_what_was_not_used_for_so_long_goes(tmp_path: Path) -> None:
    store, ids = fill(tmp_path, [9, 3, 1])
    assert [entry.id for entry in collect(store, 2, None)] == ids[:2]
    assert [entry.id for entry in collect(store, 30, None)] == []


@settings(max_examples=30, deadline=None)
@given(ages=st.lists(st.integers(0, 50), min_size=1, max_size=6, unique=True), keep=st.integers(0, 6))
def test_the_longest_unused_go_until_the_rest_fits(
    ages: list[int], keep: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    store, ids = fill(tmp_path_factory.mktemp("store"), [float(age) for age in ages])
    each = next(usage(store)).bytes
    going = {entry.id for entry in collect(store, None, keep * (each + 8))}
    oldest_first = [key for _, key in sorted(zip(ages, ids, strict=True), reverse=True)]
    assert going == set(oldest_first[: max(0, len(ages) - keep)])


def test_an_entry_that_is_removed_is_missing_and_can_be_written_again(tmp_path: Path) -> None:
    store, ids = fill(tmp_path, [0])
    store.remove(ids[0])
    assert not store.has(ids[0])
    assert store.get(ids[0]) is None
    store.remove(ids[0])
    store.put(ids[0], {"a": np.ones(2)}, {})
    assert store.has(ids[0])


@pytest.mark.parametrize("suffix", ["json", "safetensors"])
def test_every_flipped_bit_is_found(tmp_path: Path, suffix: str) -> None:
    store, ids = fill(tmp_path, [0, 0], size=8)
    path = tmp_path / ids[0][:2] / f"{ids[0]}.{suffix}"
    whole = path.read_bytes()
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ (1 << place % 8)]) + whole[place + 1 :])
        assert [task_id for task_id, _ in damaged(store)] == [ids[0]], place
    path.write_bytes(whole)
    assert list(damaged(store)) == []


def test_leftovers_are_what_no_entry_owns_and_nobody_holds(tmp_path: Path) -> None:
    store, ids = fill(tmp_path, [0, 0])
    folder = tmp_path / ids[0][:2]
    orphan, temporary = folder / f"{'0' * 62}ee.safetensors", folder / f".{'0' * 40}.a_1b.tmp"
    fresh = folder / f".{'0' * 40}.c2.tmp"
    for path in (orphan, temporary, fresh):
        path.write_bytes(b"x")
    locks = sorted(tmp_path.glob("locks/*/*.lock"))
    assert len(locks) == 2
    for path in (orphan, temporary, *locks):
        os.utime(path, (0, 0))
    remains = leftovers(store)
    assert set(remains) == {orphan, temporary, *locks}
    with FileLock(locks[0]):
        os.utime(locks[0], (0, 0))
        assert sweep(remains) == 3
    assert locks[0].exists()
    assert fresh.exists()
    assert not orphan.exists()
    assert all(store.get(key) is not None for key in ids)


def test_a_killed_write_leaves_what_leftovers_finds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", lambda handle: (_ for _ in ()).throw(KeyboardInterrupt))
        patch.setattr("os.unlink", lambda path: None)
        with pytest.raises(KeyboardInterrupt):
            store.put("a" * 64, {"a": np.zeros(5)}, {})
    (temporary,) = tmp_path.glob("aa/*")
    os.utime(temporary, (0, 0))
    assert leftovers(store) == [temporary]


NO_ENTRIES = [
    "3d/unet.safetensors",
    "2d/x.safetensors",
    f"3d/{'4d' * 32}.safetensors",
    f"3d/{'3d' * 31}.safetensors",
    f"3d/{'3d' * 32}.SAFETENSORS",
    f"3d/more/{'3d' * 32}.safetensors",
    f"{'3d' * 32}.safetensors",
    "3d/.download.1.tmp",
    "locks/3d/apt.lock",
    f"locks/{'3d' * 32}.lock",
]


@pytest.mark.parametrize("name", NO_ENTRIES)
def test_what_no_store_writes_is_no_leftover(tmp_path: Path, name: str) -> None:
    store, _ = fill(tmp_path, [0])
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"weights")
    os.utime(path, (0, 0))
    assert path not in leftovers(store)
