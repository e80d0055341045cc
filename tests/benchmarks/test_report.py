"""Building the page of a hundred cells and sixty-four prompts; the aim is under 10 seconds on 2 idle cores.

`extra_info` holds the page's size and the build's time in units of reading its strips, so that two machines can be
compared.
"""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from ivbench.report import write_report
from ivbench.results import write_results
from tests.report.large import make_large


@pytest.mark.slow
@pytest.mark.benchmark(group="report")
def test_the_page_of_a_large_grid(benchmark: BenchmarkFixture, tmp_path: Path) -> None:
    write_results(make_large(tmp_path), tmp_path / "results.json")
    started = time.perf_counter()
    read = sum(len(path.read_bytes()) for path in (tmp_path / "gallery").iterdir())
    reading = time.perf_counter() - started
    page = benchmark.pedantic(
        write_report, args=(tmp_path / "results.json", tmp_path / "report.html"), rounds=2, warmup_rounds=0
    )
    assert page.stat().st_size < 25_000_000
    if benchmark.enabled:
        benchmark.extra_info["megabytes"] = page.stat().st_size / 1e6
        benchmark.extra_info["megabytes_of_strips"] = read / 1e6
        benchmark.extra_info["times_reading_the_strips"] = benchmark.stats.stats.median / reading
