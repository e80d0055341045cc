"""`ivbench store`: du, verify, gc."""

from __future__ import annotations

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


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["gc", "--max-size", "many"], "allowed are sizes such as 500MB and 10GB"),
        (["gc", "--unused-for", "-1"], "--unused-for"),
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
