"""Metrics beside those of the paper, in a suite: reference, floor, ground truth, interval and paired differences."""

from __future__ import annotations

from pathlib import Path

import pytest

from ivbench.errors import ConfigError
from ivbench.results.store import Store
from tests.run.toys import Ran, run_toy, toy_plan

NAMES = ("kid", "precision", "recall", "density", "coverage", "authenticity", "frame_fid_infinite")
METRICS = [
    *({"name": name, "extractor": "toy-frames"} for name in NAMES),
    {"name": "cmmd", "extractor": "toy-clip"},
    {"name": "subject_consistency", "extractor": "toy-frames"},
    {"name": "background_consistency", "extractor": "toy-clip"},
    {"name": "fvd_infinite", "extractor": "toy-clips"},
    *(
        {"name": name, "extractor": "block-motion"}
        for name in ("flicker", "temporal_flickering", "warping_error", "dynamic_degree", "colour_shift")
    ),
]


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Ran]:
    folder = tmp_path_factory.mktemp("more")
    plan = toy_plan(metrics=METRICS, gallery=0, prompts={"source": "shapes:test", "count": 20})
    return folder, run_toy(plan, folder)


def test_each_has_value_interval_ground_truth_and_paired_difference(ran: tuple[Path, Ran]) -> None:
    results = ran[1].outcome.results
    truth = {score.metric: score for score in results.ground_truth}
    for cell in results.cells:
        assert [score.metric for score in cell.scores] == [metric["name"] for metric in METRICS]
        for score in cell.scores:
            assert score.interval is not None, score.metric
            assert score.interval.low <= score.value + 1e-9, score.metric
            assert score.value - 1e-9 <= score.interval.high, score.metric
            assert score.counts.used == 40
            assert score.context["ground_truth"] == truth[score.metric].value
            assert truth[score.metric].protocol == score.protocol
    for name in truth:
        assert sum(row.metric == name for row in results.differences) == 3


def test_a_second_run_computes_nothing(ran: tuple[Path, Ran]) -> None:
    folder, first = ran
    again = run_toy(first.plan, folder, "again")
    assert again.models.loaded == []
    assert again.outcome.results.cells == first.outcome.results.cells


@pytest.mark.parametrize(("name", "fewest"), [("kid", 2), ("recall", 4), ("frame_fid_infinite", 8)])
def test_too_few_videos_are_found_before_anything_is_sampled(name: str, fewest: int, tmp_path: Path) -> None:
    prompts = {"texts": [f"cat {place}" for place in range(fewest - 1)]}
    plan = toy_plan(metrics=[{"name": name, "extractor": "toy-frames"}], runs=1, gallery=0, prompts=prompts)
    with pytest.raises(ConfigError, match=f"{name} needs {fewest} videos a cell or more, got {fewest - 1}"):
        run_toy(plan, tmp_path)
    assert not Store(tmp_path / "store").ids()
