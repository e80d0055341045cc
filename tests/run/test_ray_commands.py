"""`--executor` through real processes, on a zoo of random weights."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("ray")
pytest.importorskip("torch")
pytest.importorskip("open_clip")

from ivbench.results.store import Store
from tests.run.processes import assert_one_line, environment, ivbench, suite_file

WORKERS = ("--executor", "ray", "--workers", "2")
LONG: dict[str, Any] = {"prompts": {"source": "shapes:test", "count": 64}, "defaults": {"sampler": "ddim", "steps": 8}}


@pytest.fixture(autouse=True)
def _as_many_threads_everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


def said(path: Path) -> dict[str, Any]:
    """What results.json says, but for when and by which command it was made."""
    found = json.loads(path.read_text())
    for where in found["environments"]:
        del where["git"]
    return {key: value for key, value in found.items() if key not in ("created", "command")}


@pytest.mark.slow
def test_run_with_workers_writes_the_results_of_a_run_without(shipped: Path, tmp_path: Path) -> None:
    suite = suite_file(tmp_path)
    one = ivbench(shipped, tmp_path, "run", "--suite", suite, "--no-timing", "--out", "one", "--store", "one/store")
    assert one.returncode == 0, one.stderr
    two = ivbench(
        shipped, tmp_path, "run", "--suite", suite, "--no-timing", "--out", "two", "--store", "two/store", *WORKERS
    )
    assert two.returncode == 0, two.stderr
    assert said(tmp_path / "two/results.json") == said(tmp_path / "one/results.json")
    assert [line for line in two.stdout.splitlines() if "computed" in line] == [
        line for line in one.stdout.splitlines() if "computed" in line
    ]
    assert Store(tmp_path / "two/store").ids() == Store(tmp_path / "one/store").ids()
    assert "ray" not in two.stdout


def descendants(pid: int) -> set[int]:
    import psutil

    return {child.pid for child in psutil.Process(pid).children(recursive=True)}


@pytest.mark.slow
def test_ctrl_c_ends_the_workers_and_the_same_command_goes_on(shipped: Path, tmp_path: Path) -> None:
    import psutil

    suite, store = suite_file(tmp_path, **LONG), Store(tmp_path / "store")
    command = [sys.executable, "-m", "ivbench", "sample", "--suite", suite]
    process = subprocess.Popen(
        [*command, *WORKERS],
        cwd=tmp_path,
        env=environment(shipped, tmp_path),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),  # a shell's background jobs ignore it
    )
    while len(store.ids()) < 6:
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    others = descendants(process.pid)
    assert others
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert errors.splitlines()[-1] == (
        "Interrupted. What was finished is kept; the same command goes on from there."
    ), errors
    assert "Traceback" not in errors
    deadline = time.monotonic() + 20
    while any(map(psutil.pid_exists, others)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not [pid for pid in others if psutil.pid_exists(pid)]
    kept = store.ids()
    assert len(kept) >= 6
    again = ivbench(shipped, tmp_path, "sample", "--suite", suite)
    assert again.returncode == 0, again.stderr
    made = len(store.ids()) - len(kept)
    assert f"{made} entries of the store computed" in again.stdout


def test_a_wrong_option_is_one_line(shipped: Path, tmp_path: Path) -> None:
    suite = suite_file(tmp_path)
    for options, line in (
        (["--executor", "rya"], 'no executor is called "rya". Did you mean "ray"?'),
        (["--executor", "ray", "--address", "127.0.0.1:1"], 'no Ray cluster can be joined at "127.0.0.1:1"'),
        (["--workers", "2"], "--workers is for workers, and --executor inline has none. Add: --executor ray"),
        (["--executor", "ray", "--workers", "0"], "--workers is 0. Allowed: 1 or more."),
    ):
        assert_one_line(ivbench(shipped, tmp_path, "sample", "--suite", suite, *options), line)


def test_without_ray_the_extra_is_named(shipped: Path, tmp_path: Path) -> None:
    code = "import sys; sys.modules['ray'] = None; from ivbench.cli.main import main; sys.exit(main(sys.argv[1:]))"
    done = ivbench(shipped, tmp_path, "sample", "--executor", "ray", code=code)
    assert_one_line(done, 'ray is needed for this and is not installed. Run: pip install "ivbench[ray]"')
