"""How long the command line takes to answer; the aim is under 0.3 s on an idle machine."""

from __future__ import annotations

import subprocess
import sys

import pytest
from pytest_benchmark.fixture import BenchmarkFixture


@pytest.mark.benchmark
@pytest.mark.parametrize("arguments", [["--help"], ["zoo", "--help"]], ids=" ".join)
def test_help(benchmark: BenchmarkFixture, arguments: list[str]) -> None:
    command = [sys.executable, "-m", "ivbench", *arguments]
    done = benchmark.pedantic(
        subprocess.run, args=(command,), kwargs={"capture_output": True, "check": True}, rounds=10, warmup_rounds=1
    )
    assert b"Usage: ivbench" in done.stdout
