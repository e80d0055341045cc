"""Progress in plain lines and bars, the description of a machine, and peak memory."""

from __future__ import annotations

import io
import mmap

import numpy as np
import pytest
from rich.console import Console

from ivbench.plan import Execution
from ivbench.run import RichReporter, progress
from ivbench.run.environment import describe_environment
from ivbench.run.peak_memory import PeakMemory


def reporter_on(file: io.StringIO, terminal: bool) -> RichReporter:
    return RichReporter(Console(file=file, force_terminal=terminal, width=60))


def test_without_a_terminal_a_phase_is_a_line_and_one_every_ten_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 4.0, 12.0, 15.0, 24.0])
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))
    file = io.StringIO()
    reporter = reporter_on(file, terminal=False)
    with reporter.shown():
        phase = reporter.phase("sampling", 100)
        for _ in range(4):
            phase.advance(25)
    assert file.getvalue().splitlines() == ["sampling ...", "sampling 50 %, about 12 s left"]


def test_on_a_terminal_a_phase_is_a_bar() -> None:
    file = io.StringIO()
    reporter = reporter_on(file, terminal=True)
    with reporter.shown():
        reporter.phase("sampling", 2).advance(1)
    assert "sampling" in file.getvalue()
    assert "50%" in file.getvalue()


def test_a_line_is_said_once_whole_and_as_it_is() -> None:
    file = io.StringIO()
    reporter = reporter_on(file, terminal=False)
    line = "store entry 0123 [red]was altered[/red] " + "and so on " * 10
    reporter.say(line)
    reporter.say(line)
    assert file.getvalue() == line + "\n"


def test_an_environment_says_what_decides_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    found = describe_environment(Execution(device="cuda", dtype="bfloat16"))
    assert (found.device, found.dtype, found.threads) == ("cuda", "bfloat16", 3)
    assert found.libraries["numpy"] == np.__version__
    assert found.processor


def test_peak_memory_is_that_of_the_block() -> None:
    pytest.importorskip("psutil")
    with PeakMemory("torch", "cpu") as before:
        pass
    pages = mmap.mmap(-1, 256 * 2**20)  # fresh ones: an allocator may give what it kept, which grows nothing
    with PeakMemory("torch", "cpu") as during:
        pages.write(b"1" * len(pages))
        during._look()
    pages.close()
    assert during.peak - before.peak > 128 * 2**20
