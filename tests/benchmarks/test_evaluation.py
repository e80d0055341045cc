"""One network evaluation of each shipped stage in batches of 16.

The aim on 2 idle cores: base at most 8 ms a video, tsr1 and ssr1 together at most 30 ms. `extra_info` holds the
milliseconds a video and their ratio to the base's, so that two machines can be compared.
"""

from __future__ import annotations

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

pytest.importorskip("torch")

from ivbench.adapters import Cascade, open_cascade
from ivbench.zoo import read_card

BATCH = 16
PROMPT = "a small red circle moving left over a grey background"
MILLISECONDS: dict[str, float] = {}


@pytest.fixture(scope="module")
def cascade() -> Cascade:
    return open_cascade(read_card("shapes-lite"))


@pytest.mark.benchmark(group="evaluation")
@pytest.mark.parametrize("stage", ["base", "tsr1", "ssr1"])
def test_one_evaluation_of_sixteen_videos(benchmark: BenchmarkFixture, cascade: Cascade, stage: str) -> None:
    model = cascade.stage_model(stage)
    text = cascade.text_encoder().encode([PROMPT] * BATCH)
    shape = (BATCH, *model.stage.shape)
    low = np.zeros(shape, np.float32) if model.stage.unet.conditioning else None
    augmentation = 1.6 if model.stage.unet.augmentation else None
    evaluator = model.evaluator(text, low, augmentation)
    z = model.to_backend(np.random.default_rng(0).standard_normal(shape, dtype=np.float32))
    prediction = benchmark.pedantic(evaluator.conditional, args=(z, 0.3), rounds=10, warmup_rounds=2)
    assert model.to_numpy(prediction).shape == shape
    if benchmark.enabled:
        MILLISECONDS[stage] = 1000 * benchmark.stats.stats.median / BATCH
        benchmark.extra_info["milliseconds_a_video"] = MILLISECONDS[stage]
        benchmark.extra_info["times_base"] = MILLISECONDS[stage] / MILLISECONDS.get("base", MILLISECONDS[stage])
