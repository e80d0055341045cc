"""One network evaluation of each shipped stage in batches of 16, in PyTorch and in JAX by turns.

The aim is JAX at 2x PyTorch's time at most, the bar 3x. `extra_info` holds the median of the ratios of neighbouring
calls, which another load on the machine disturbs least, and the milliseconds a video of both.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

pytest.importorskip("torch")
pytest.importorskip("jax")

from ivbench.adapters import Cascade, open_cascade
from ivbench.zoo import read_card

BATCH = 16
ROUNDS = 15
PROMPT = "a small red circle moving left over a grey background"


@pytest.fixture(scope="module")
def cascades() -> dict[str, Cascade]:
    return {backend: open_cascade(read_card("shapes-lite"), backend=backend) for backend in ("torch", "jax")}


def evaluation(cascade: Cascade, stage: str) -> Callable[[], Any]:
    """One evaluation with text, whose result has come back when it returns."""
    model = cascade.stage_model(stage)
    text = cascade.text_encoder().encode([PROMPT] * BATCH)
    shape = (BATCH, *model.stage.shape)
    low = np.zeros(shape, np.float32) if model.stage.unet.conditioning else None
    evaluator = model.evaluator(text, low, 1.6 if model.stage.unet.augmentation else None)
    z = model.to_backend(np.random.default_rng(0).standard_normal(shape, dtype=np.float32))
    return lambda: model.to_numpy(evaluator.conditional(z, 0.3))


@pytest.mark.benchmark(group="backends")
@pytest.mark.parametrize("stage", ["base", "tsr1", "ssr1"])
def test_jax_beside_torch(benchmark: BenchmarkFixture, cascades: dict[str, Cascade], stage: str) -> None:
    torch, jax = (evaluation(cascade, stage) for cascade in cascades.values())
    np.testing.assert_allclose(jax(), torch(), atol=2e-4)
    beside: list[float] = []

    def before() -> None:
        started = time.perf_counter()
        torch()
        beside.append(time.perf_counter() - started)

    benchmark.pedantic(jax, setup=before, rounds=ROUNDS, warmup_rounds=2)
    if benchmark.enabled:
        own, beside = np.array(benchmark.stats.stats.data), beside[-ROUNDS:]
        benchmark.extra_info["times_torch"] = float(np.median(own / beside))
        benchmark.extra_info["milliseconds_a_video"] = 1000 * float(np.median(own)) / BATCH
        benchmark.extra_info["torch_milliseconds_a_video"] = 1000 * float(np.median(beside)) / BATCH
