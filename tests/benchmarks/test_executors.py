"""Two Ray workers of one thread each against one: the time of sampling alone, after workers have loaded their models.

The aim on 2 idle cores is 1.7 or more, as `extra_info["speed_up"]`; run it on a machine that does nothing else. The
process that gives out the work computes nothing meanwhile, but needs a little of a core.
"""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

pytest.importorskip("torch")
pytest.importorskip("ray")

from ivbench.config import parse_suite
from ivbench.plan import build_plan, cascade_source
from ivbench.results.store import Store
from ivbench.run import Models, Resources, Silent, sample_plan
from ivbench.run.executors.ray_executor import RayExecutor
from ivbench.zoo import read_card

SUITE = {
    "name": "workers",
    "prompts": {"source": "shapes:test", "count": 128},
    "runs": 2,
    "defaults": {"sampler": "ddim", "steps": 8, "guidance": 0},
    "cells": [{"label": "one"}],
}
SECONDS: dict[int, float] = {}


class Clock(Silent):
    """When sampling began: models are loaded by then."""

    began = 0.0

    def phase(self, name: str, total: float) -> Silent:
        self.began = time.perf_counter()
        return self


def seconds_of_sampling(workers: int, folder: Path) -> float:
    card, clock = read_card("shapes-lite"), Clock()
    plan = build_plan(parse_suite(SUITE), cascade_source(card))
    executor = RayExecutor(Resources(workers=workers))
    try:
        job = sample_plan(plan, Store(folder), Models(card), clock, executor)
        seconds = time.perf_counter() - clock.began
    finally:
        executor.close()
    assert len(job.computed) == len(plan.sample) + len(plan.encode)
    return seconds


@pytest.mark.benchmark(group="executors")
@pytest.mark.parametrize("workers", [1, 2])
def test_sampling_with_ray_workers(
    benchmark: BenchmarkFixture, workers: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not benchmark.enabled:
        pytest.skip("a minute of sampling; tests/run/test_ray.py is the test")
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    SECONDS[workers] = benchmark.pedantic(seconds_of_sampling, args=(workers, tmp_path), rounds=1)
    benchmark.extra_info["seconds_of_sampling"] = SECONDS[workers]
    benchmark.extra_info["speed_up"] = SECONDS.get(1, SECONDS[workers]) / SECONDS[workers]
