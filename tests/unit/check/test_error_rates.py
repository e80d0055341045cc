"""Compare and check are wrong as often as they say: simulated re-runs of made-up videos with heavy tails."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ivbench import registry
from ivbench.check import ErrorRates, Population, Rate, Reruns, error_rates, error_rates_page, rate_rows
from ivbench.config import profile
from ivbench.errors import ConfigError
from ivbench.metrics import Conditions, FeatureSource, FrechetMetric, Pool, Reference, Texts

PROMPTS, VIDEOS, FRAMES, DIM, TRIALS = 80, 8, 2, 6, 100
METRICS = ["clip_score", "r_precision", *(pytest.param(name, marks=pytest.mark.slow) for name in ("frame_fid", "fvd"))]
CAPTIONS = tuple(f"caption {i}" for i in range(120))


def population(name: str) -> Population:
    """Videos that share their prompt's part, and worse ones that have less of it and more noise."""
    generator = np.random.default_rng(7)
    texts = generator.normal(size=(len(CAPTIONS), DIM))
    of_prompt = texts[:PROMPTS, None] + 0.3 * generator.normal(size=(PROMPTS, FRAMES, DIM))
    noise = generator.standard_t(5, size=(VIDEOS, PROMPTS, FRAMES, DIM))
    unchanged, worse = (of_prompt + 0.7 * noise), (0.1 * of_prompt + 1.6 * noise)
    real = texts[generator.integers(0, PROMPTS, 2000), None] + 0.7 * generator.normal(size=(2000, FRAMES, DIM))
    metric = registry.load("metric", name)()
    if name == "fvd":
        unchanged, worse, real = (features.mean(axis=-2) for features in (unchanged, worse, real))
    conditions = Conditions(
        source=FeatureSource("probe", "0" * 64, "none"),
        profile=profile("ivbench"),
        frames=FRAMES,
        fps=2.0,
        height=8,
        width=8,
        prompts="p" * 64,
        num_prompts=PROMPTS,
        captions=CAPTIONS[:PROMPTS],
        texts=None if isinstance(metric, FrechetMetric) else Texts.of(CAPTIONS[:PROMPTS], texts[:PROMPTS], pool(texts)),
        reference=Reference(metric.reference([real]), "r" * 64, 2000) if isinstance(metric, FrechetMetric) else None,
    )
    return Population(metric, conditions, unchanged.astype(np.float32), worse.astype(np.float32))


def pool(texts: np.ndarray) -> Pool:
    return Pool.merged(CAPTIONS, texts)


@pytest.fixture(scope="module", params=METRICS)
def rates(request: pytest.FixtureRequest) -> ErrorRates:
    return error_rates(Reruns([population(request.param)], prompts=48, runs=2), TRIALS)


def test_without_a_change_alarms_are_as_frequent_as_nominal(rates: ErrorRates) -> None:
    (row,) = rates.metrics
    for rate in (row.alarms, row.differences, rates.together):
        assert rate.nominal == pytest.approx(0.05)
        assert rate.covers(0.999), (row.label, rate)


def test_means_have_five_times_as_many_pairs_without_a_change(rates: ErrorRates) -> None:
    (row,) = rates.metrics
    times = 5 if row.label.startswith("CLIP") else 1
    assert row.alarms.trials == row.differences.trials == times * TRIALS
    assert rates.together.trials == row.found.trials == TRIALS
    assert rates.together.count <= row.alarms.count  # the first of them are those of the gate


def test_a_loss_of_the_stated_size_is_found_with_the_stated_power(rates: ErrorRates) -> None:
    (row,) = rates.metrics
    assert row.loss == pytest.approx(row.stated, rel=0.1)
    assert row.found.nominal == 0.8
    assert row.found.covers(0.999), (row.label, row.found)


def test_a_re_run_passes_a_measured_gate_19_times_in_20(rates: ErrorRates) -> None:
    assert rates.passes.interval(0.999)[1] >= 0.95


def test_the_same_seed_draws_the_same_files_and_other_videos_in_each() -> None:
    reruns = Reruns([population("clip_score"), population("fvd")], prompts=30, runs=2)
    old, again, third = reruns.files(3)
    assert reruns.files(3)[:2] == [old, again]
    assert reruns.files(3, 2) == [old, again]
    values = [file.cells[0].scores[0].by_prompt for file in (old, again, third)]
    assert len({value for runs in values for row in runs for value in row}) > 0.8 * 3 * 2 * 30  # prompts come twice
    assert [file.suite.seeds for file in (old, again, third)] == [[0, 1], [2, 3], [4, 5]]
    assert [score.metric for score in reruns.files(3, 1, labels=["FVD [probe]"])[0].cells[0].scores] == ["fvd"]


def test_pairs_of_one_set_of_prompts_have_other_videos() -> None:
    reruns = Reruns([population("r_precision")], prompts=30, runs=2)
    (drawn,), (one,), (other,) = (reruns.files(number, 1, drawn=3) for number in (3, 4, 5))
    assert drawn == reruns.files(3, 1)[0]
    firsts = [np.array(file.cells[0].scores[0].by_prompt) for file in (drawn, one, other, reruns.files(4, 1)[0])]
    assert not np.array_equal(firsts[1], firsts[2])
    # Prompts differ in how often they are found: one set is nearer to itself than to another.
    assert (
        np.corrcoef(firsts[1].mean(0), firsts[2].mean(0))[0, 1]
        > np.corrcoef(firsts[1].mean(0), firsts[3].mean(0))[0, 1]
    )


def test_a_loss_is_part_of_the_way_to_the_worse_videos() -> None:
    reruns = Reruns([population("clip_score")], prompts=30, runs=2)
    values = [reruns.files(3, 2, loss)[1].cells[0].scores[0].value for loss in (0.0, 0.5, 1.0)]
    assert values[1] == pytest.approx((values[0] + values[2]) / 2)
    assert values[0] - values[2] > 10.0


def test_a_worse_cell_that_is_too_good_is_said_by_its_loss() -> None:
    same = population("clip_score")
    even = Population(same.metric, same.conditions, same.unchanged, same.unchanged + np.float32(0.001))
    (row,) = error_rates(Reruns([even], prompts=30, runs=2), 20).metrics
    assert row.loss < row.stated / 2


def test_too_few_videos_are_refused() -> None:
    with pytest.raises(ConfigError, match="need 9 videos of each prompt, got 8"):
        Reruns([population("fvd")], prompts=30, runs=3)


def test_the_interval_of_a_rate_is_exact() -> None:
    assert Rate(0, 20, 0.05).interval() == pytest.approx((0.0, 1 - 0.025 ** (1 / 20)))
    assert Rate(1, 20, 0.05).covers()
    assert not Rate(12, 20, 0.05).covers()


def test_the_page_and_the_rows_hold_every_rate(rates: ErrorRates) -> None:
    columns, rows = rate_rows([rates, rates])
    assert [len(row) for row in rows] == [len(columns)] * 6
    page = error_rates_page([rates], "shapes-lite", "80 prompts and 8 videos of each", ["as it is", "worse"])
    for rate in (rates.metrics[0].alarms, rates.metrics[0].differences, rates.metrics[0].found, rates.passes):
        assert f"{100 * rate.value:.1f} % [" in page


def test_the_page_names_every_rate_that_is_not_as_promised_and_on_which_side(rates: ErrorRates) -> None:
    kept = Rate(50, 1000, 0.05)
    row = replace(rates.metrics[0], alarms=Rate(24, 1000, 0.05), differences=kept, found=Rate(900, 1000, 0.8))
    one = replace(rates, metrics=(row,), together=kept, passes=Rate(950, 1000, 0.95))
    page = error_rates_page([one], "shapes-lite", "80 prompts", ["as it is", "worse"])
    named = [line for line in page.splitlines() if line.startswith("- ")]
    assert [line.split(": ")[1] for line in named] == [
        "2.4 % [1.5, 3.6], below 5 %",
        "90.0 % [88.0, 91.8], above 80 %",
    ]
    good = replace(row, alarms=kept, found=Rate(800, 1000, 0.8))
    page = error_rates_page([replace(one, metrics=(good,))], "shapes-lite", "80 prompts", ["as it is", "worse"])
    assert page.count("Every interval covers the promised rate.") == 2
