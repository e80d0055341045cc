"""Processes that die, disks that flip bits or fill up, and two runs at once: nothing is lost, nothing is wrong."""

from __future__ import annotations

import errno
import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("open_clip")

from ivbench.cli.main import main
from ivbench.report.formats import when
from ivbench.results.store import Store
from tests.run.processes import environment, ivbench, suite_file

ROOT = Path(__file__).parents[2]
# A background job of a shell ignores SIGINT, and so does all that it starts.
HEARS_CTRL_C = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
SCORE = ["score", "--suite", "suite.yaml", "--no-timing", "--out"]


def but_times(path: Path) -> Any:
    """A results file without the moment at which it was made and the command's own words."""
    return {key: value for key, value in json.loads(path.read_text()).items() if key not in ("created", "command")}


def masked(path: Path) -> bytes:
    """The bytes of a results file but for the moment at which it was made."""
    return re.sub(rb'"created": ?"[^"]*"', b"", path.read_bytes(), count=1)


def page(folder: Path) -> str:
    """A run's report without the moment at which its results were made."""
    created = json.loads((folder / "results.json").read_text())["created"]
    text = (folder / "report.html").read_text(encoding="utf-8")
    stamp = f'<time datetime="{created}">{when(created)}</time>'
    assert text.count(stamp) == text.count(created) == 1
    return text.replace(stamp, "")


@pytest.mark.slow
def test_thirty_kills_change_nothing_but_the_time(shipped: Path, tmp_path: Path) -> None:
    suite_file(tmp_path)
    done = subprocess.run(
        [sys.executable, "-m", "tests.run.kills", "30", "7"],
        cwd=tmp_path,
        env={**environment(shipped, tmp_path), "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=540,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["killed"] == 30
    assert all(told["by_command"]), told
    assert not any(told["codes"]), (tmp_path / "log.txt").read_text()
    assert told["redone"] == 0
    out, clean = (masked(tmp_path / name / "results.json") for name in ("out", "clean"))
    assert out == clean
    for name in ("results.csv", *(f"gallery/{file.name}" for file in (tmp_path / "clean" / "gallery").iterdir())):
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "clean" / name).read_bytes(), name
    assert page(tmp_path / "out") == page(tmp_path / "clean")
    assert "Traceback" not in (tmp_path / "log.txt").read_text()
    # A kill in the middle of a write leaves a hidden temporary file, which nobody reads.
    assert all(path.name.startswith(".") for path in (tmp_path / "out").rglob("*.tmp"))


DIES_WHILE_TIMING = """
import os, signal, sys
from ivbench.cli.main import main
from ivbench.run.timing import Timing

whole, begun = Timing._measured, []

def dying(self, task, call):
    begun.append(task)
    die = lambda: os.kill(os.getpid(), signal.SIGKILL)
    return whole(self, task, call if len(begun) < 3 else lambda: (call(), die()))

Timing._measured = dying
sys.exit(main())
"""
"""The command, killed in the middle of its third measurement of time."""


def of_kinds(store: Path) -> tuple[set[str], set[str]]:
    """The ids of the measurements of time, and those of everything else."""
    opened = Store(store)
    timings = {key for key in opened.ids() if (opened.manifest(key) or {})["kind"] == "timing"}
    return timings, set(opened.ids()) - timings


def but_measurements(path: Path) -> dict[str, Any]:
    """`but_times`, with whether a stage's time and memory were measured in place of what they are."""
    found: dict[str, Any] = but_times(path)
    for cost in (cost for cell in found["cells"] for cost in cell["costs"]):
        for key in ("seconds", "repeats", "peak_memory_mib"):
            cost[key] = bool(cost[key])
    return found


@pytest.mark.slow
def test_a_kill_while_time_is_measured_loses_that_measurement_alone(shipped: Path, tmp_path: Path) -> None:
    timed, store = ["score", "--suite", "suite.yaml", "--out", "out"], tmp_path / "killed" / "store"
    for name in ("killed", "clean"):
        (tmp_path / name).mkdir()
        suite_file(tmp_path / name)
    done = ivbench(shipped, tmp_path / "killed", *timed, code=DIES_WHILE_TIMING)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert not (tmp_path / "killed" / "out" / "results.json").exists()
    measured, others = of_kinds(store)
    assert len(measured) == 2
    written = {key: (store / key[:2] / f"{key}.safetensors").stat().st_ino for key in measured | others}

    rest = ivbench(shipped, tmp_path / "killed", *timed)
    assert rest.returncode == 0, rest.stderr
    assert {key: (store / key[:2] / f"{key}.safetensors").stat().st_ino for key in written} == written
    assert of_kinds(store)[1] == others
    assert len(of_kinds(store)[0]) == 2 + _computed(rest.stdout)

    clean = ivbench(shipped, tmp_path / "clean", *timed)
    assert clean.returncode == 0, clean.stderr
    out, expected = (but_measurements(tmp_path / name / "out" / "results.json") for name in ("killed", "clean"))
    assert out == expected
    assert all(cost["seconds"] and cost["repeats"] for cell in out["cells"] for cost in cell["costs"])


@pytest.fixture
def scored(shipped: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a finished run."""
    for name, value in environment(shipped, tmp_path).items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    suite_file(tmp_path)
    assert main([*SCORE, "first"]) == 0
    return tmp_path


def test_a_bit_flipped_in_every_file_of_the_store_is_noticed_and_repaired(
    scored: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = random.Random(0)
    files = sorted((scored / "store").glob("[0-9a-f][0-9a-f]/*"))
    assert len(files) > 50
    for path in files:
        data = bytearray(path.read_bytes())
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        path.write_bytes(data)
    capsys.readouterr()
    assert main([*SCORE, "again"]) == 0
    assert "it is computed again" in capsys.readouterr().err
    assert but_times(scored / "again" / "results.json") == but_times(scored / "first" / "results.json")
    main(["store", "verify", "--remove"])  # what this run had no need to read
    capsys.readouterr()
    assert main(["store", "verify"]) == 0
    assert "all whole" in capsys.readouterr().out
    assert main([*SCORE, "third"]) == 0
    assert but_times(scored / "third" / "results.json") == but_times(scored / "first" / "results.json")


def test_a_bit_flipped_in_any_one_file_is_repaired(scored: Path) -> None:
    """One file at a time, so that a repair has whole entries around it; every kind of entry comes up."""
    first = but_times(scored / "first" / "results.json")
    store, seen = Store(scored / "store"), set()
    for key in store.ids():
        kind = (store.manifest(key) or {})["kind"]
        if kind in seen:
            continue
        seen.add(kind)
        whole = {path: path.read_bytes() for path in (scored / "store" / key[:2]).glob(f"{key}.*")}
        for damaged in whole:
            data = bytearray(whole[damaged])
            data[-2] ^= 4
            damaged.write_bytes(data)
            assert main([*SCORE, "again"]) == 0
            assert but_times(scored / "again" / "results.json") == first, (kind, damaged)
            for path, content in whole.items():
                path.write_bytes(content)
    assert {"encode", "sample", "extract", "score", "reference", "real", "texts", "floor", "truth"} <= seen


@pytest.mark.slow
def test_two_runs_at_once_share_their_work(shipped: Path, tmp_path: Path) -> None:
    suite_file(tmp_path)
    clean = tmp_path / "alone"
    clean.mkdir()
    suite_file(clean)
    alone = ivbench(shipped, clean, *SCORE, "out")
    assert alone.returncode == 0, alone.stderr
    both = [
        subprocess.Popen(
            [sys.executable, "-m", "ivbench", *SCORE, out],
            cwd=tmp_path,
            env=environment(shipped, tmp_path),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for out in ("one", "two")
    ]
    told = [process.communicate(timeout=300) for process in both]
    assert [process.returncode for process in both] == [0, 0], told
    expected = but_times(clean / "out" / "results.json")
    assert but_times(tmp_path / "one" / "results.json") == expected
    assert but_times(tmp_path / "two" / "results.json") == expected
    counts = [_computed(text) for text, _ in told]
    assert sum(counts) == _computed(alone.stdout) == len(Store(tmp_path / "store").ids())


def _computed(text: str) -> int:
    line = next(line for line in text.splitlines() if "computed" in line)
    return 0 if line.startswith("nothing") else int(line.split()[0].replace(",", ""))


@pytest.mark.slow
def test_ctrl_c_is_one_line_and_the_same_command_goes_on(shipped: Path, tmp_path: Path) -> None:
    suite_file(tmp_path, runs=40)
    process = subprocess.Popen(
        [sys.executable, "-m", "ivbench", "sample", "--suite", "suite.yaml"],
        cwd=tmp_path,
        env=environment(shipped, tmp_path),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=HEARS_CTRL_C,
    )
    store = Store(tmp_path / "store")
    deadline = time.monotonic() + 120
    while len(store.ids()) < 3 and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Interrupted. What was finished is kept; the same command goes on from there." in errors
    assert "Traceback" not in errors
    kept = len(store.ids())
    assert 3 <= kept < 100
    rest = ivbench(shipped, tmp_path, "sample", "--suite", "suite.yaml")
    assert rest.returncode == 0, rest.stderr
    assert _computed(rest.stdout) == len(store.ids()) - kept


def test_a_full_disk_is_one_line_and_loses_nothing(
    scored: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    suite_file(scored, runs=3)
    before = set(Store(scored / "store").ids())
    left, real = [6], os.replace

    def replace(source: Any, target: Any) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(source, target)

    capsys.readouterr()
    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", replace)
        assert main([*SCORE, "more"]) == 2
    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("Error")]
    assert len(errors) == 1
    assert "No space left on device. Free space and give the same command again: it goes on from there" in errors[0]
    kept = set(Store(scored / "store").ids())
    assert len(kept - before) == 3  # two files an entry
    assert main([*SCORE, "more"]) == 0
    assert kept <= set(Store(scored / "store").ids())
