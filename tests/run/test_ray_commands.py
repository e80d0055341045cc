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

import numpy as np

from ivbench.data.shapes.captions import prompts as captions
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


GENERATOR = """
import os
from pathlib import Path

from tests.unit.adapters.toy_generator import ToyGenerator


class Toy(ToyGenerator):
    def generate(self, request):
        (Path({asked!r}) / str(os.getpid())).touch()
        return super().generate(request)


def load(device):
    return Toy(refuses="cross")
"""


@pytest.mark.slow
def test_a_generator_on_workers_gives_the_results_of_a_run_without(shipped: Path, tmp_path: Path) -> None:
    """Its module lies in the folder of the command; the driver samples nothing; what fails is counted alike."""
    suite = suite_file(
        tmp_path,
        prompts={"source": "shapes:test", "count": 24},
        metrics=[{"name": "clip_score", "extractor": "clip-probe"}, {"name": "frame_fid", "extractor": "frame-probe"}],
        defaults={},
        grid={"guidance": [1, 6.5]},
    )
    asked = tmp_path / "asked"
    asked.mkdir()
    (tmp_path / "mytoys.py").write_text(GENERATOR.format(asked=str(asked)))
    options = ("run", "python:mytoys:load", "--suite", suite, "--no-timing", "--no-open")
    one = ivbench(shipped, tmp_path, *options, "--out", "one", "--store", "one/store")
    assert one.returncode == 0, one.stderr
    (alone,) = asked.iterdir()
    alone.unlink()
    two = ivbench(shipped, tmp_path, *options, "--out", "two", "--store", "two/store", *WORKERS)
    assert two.returncode == 0, two.stderr
    assert said(tmp_path / "two/results.json") == said(tmp_path / "one/results.json")
    assert Store(tmp_path / "two/store").ids() == Store(tmp_path / "one/store").ids()
    assert len(list(asked.iterdir())) == 2
    counts = said(tmp_path / "two/results.json")["cells"][0]["scores"][0]["counts"]
    assert 0 < counts["failed"] < counts["generated"]


@pytest.mark.slow
def test_videos_of_a_folder_on_workers_give_the_results_of_a_run_without(shipped: Path, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for place, prompt in enumerate(captions("test")[:8]):
        frames = np.random.default_rng(place).integers(0, 255, (4, 12, 20, 3)).astype(np.uint8)
        np.savez(tmp_path / "in" / f"{prompt}-0.npz", video=frames, fps=6.0)
    (tmp_path / "in" / f"{captions('test')[0]}-0.npz").write_bytes(b"")
    metrics = [{"name": "clip_score", "extractor": "clip-probe"}]
    suite = suite_file(tmp_path, prompts={"source": "videos"}, metrics=metrics, defaults={}, grid=None, runs=1)
    options = ("run", "videos:in", "--suite", suite, "--no-open")
    for name, more in (("one", ()), ("two", WORKERS)):
        done = ivbench(shipped, tmp_path, *options, "--out", name, "--store", f"{name}/store", *more)
        assert done.returncode == 0, done.stderr
    assert said(tmp_path / "two/results.json") == said(tmp_path / "one/results.json")
    assert said(tmp_path / "two/results.json")["cells"][0]["scores"][0]["counts"]["undecodable"] == 1


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
