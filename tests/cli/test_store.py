"""`ivbench store`: du, verify, gc."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from ivbench.cli.main import main
from ivbench.results import Store

IDS = [f"{number:064x}" for number in range(3)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    store = Store(tmp_path / "store")
    for number, task_id in enumerate(IDS):
        store.put(task_id, {"a": np.zeros(10**6, np.uint8)}, {"kind": "extract" if number else "sample"})
    return tmp_path / "store"


def arrays(folder: Path, task_id: str) -> Path:
    return folder / task_id[:2] / f"{task_id}.safetensors"


def test_du_shows_entries_by_kind(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["store", "du", "--store", str(folder)]) == 0
    rows = [line.split()[:3] for line in capsys.readouterr().out.splitlines()[1:4]]
    assert rows == [["extract", "2", "2.00"], ["sample", "1", "1.00"], ["all", "3", "3.00"]]


def test_verify_finds_damage_and_removes_it(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["store", "verify", "--store", str(folder)]) == 0
    assert capsys.readouterr().out == "3 entries, all whole\n"
    path = arrays(folder, IDS[1])
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    assert main(["store", "verify", "--store", str(folder)]) == 2
    said = capsys.readouterr().out
    assert f"{IDS[1]} was altered" in said
    assert "1 of 3 entries are damaged" in said
    assert main(["store", "verify", "--remove", "--store", str(folder)]) == 0
    assert "1 damaged entries removed, 2 whole ones left" in capsys.readouterr().out
    assert Store(folder).ids() == [IDS[0], IDS[2]]


def test_gc_goes_by_age_and_size_and_says_first_what_goes(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["store", "gc", "--max-size", "1500kB", "--dry-run", "--store", str(folder)]) == 0
    assert capsys.readouterr().out == "2 entries (2 MB) and 0 leftovers are to go\n"
    assert len(Store(folder).ids()) == 3
    assert main(["store", "gc", "--max-size", "1500kB", "--store", str(folder)]) == 0
    assert len(Store(folder).ids()) == 1
    assert main(["store", "gc", "--unused-for", "0", "--store", str(folder)]) == 0
    assert Store(folder).ids() == []


@pytest.mark.parametrize("command", [["gc"], ["gc", "--unused-for", "0"], ["verify", "--remove"], ["du"]])
def test_a_folder_that_is_no_store_is_refused_and_keeps_all(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: list[str]
) -> None:
    names = ["3d/unet.safetensors", f"3d/{'3d' * 32}.safetensors", f"2d/{'2d' * 32}.json", f"locks/3d/{'3d' * 32}.lock"]
    for name in names:
        path = tmp_path / "models" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text('{"about": {}}')
        os.utime(path, (0, 0))
    assert main(["store", *command, "--store", str(tmp_path / "models")]) == 2
    assert "is no store: it has neither a store's mark nor an entry" in capsys.readouterr().err
    assert all((tmp_path / "models" / name).is_file() for name in names)


@pytest.mark.parametrize("with_mark", [True, False])
def test_a_store_without_a_mark_is_known_by_an_entry_and_an_empty_one_by_its_mark(
    folder: Path, capsys: pytest.CaptureFixture[str], with_mark: bool
) -> None:
    if with_mark:
        for task_id in IDS:
            Store(folder).remove(task_id)
    else:
        (folder / "ivbench-store.txt").unlink()
    assert main(["store", "verify", "--store", str(folder)]) == 0
    assert capsys.readouterr().out == f"{0 if with_mark else 3} entries, all whole\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["gc", "--max-size", "many"], "allowed are sizes such as 500MB and 10GB"),
        (["gc", "--unused-for", "-1"], "--unused-for"),
        (["gc", "--unused-for", "nan"], "--unused-for: got nan, allowed are days such as 30"),
        (["du", "--store", "/nowhere"], "there is no store at /nowhere"),
        (["verfy"], "Did you mean 'verify'?"),
    ],
)
def test_a_mistake_is_one_line(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    named = [] if "--store" in arguments or arguments == ["verfy"] else ["--store", str(folder)]
    assert main(["store", *arguments, *named]) == 2
    assert said in capsys.readouterr().err
