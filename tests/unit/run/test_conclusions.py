"""Conclusions, the time model and differences in standard errors, on made-up cells whose answers are known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ivbench.config import parse_suite
from ivbench.config.conclusions import ConclusionConfig
from ivbench.errors import ConfigError
from ivbench.results.schema import Cell, Published, StageCost
from ivbench.run.conclusions import conclusions, published_differences, time_model
from tests.unit.check.results import mean_score

CONTEXT = {"ground_truth": 30.0, "shuffled": 10.0}


def cost(stage: str, steps: int, guided: bool, each: float) -> StageCost:
    nfe = steps * (2 if guided else 1)
    return StageCost(
        stage=stage, sampler="ddim", steps=steps, nfe=nfe, rounds=steps, flops=3.0 * nfe, seconds=each * nfe
    )


def cell(label: str, shift: float = 0.0, noise: float = 0.0, steps: tuple[int, int] = (8, 4), **more: Any) -> Cell:
    """A cell whose prompts score 20 and more; `noise` is that of its difference to a cell without."""
    generator = np.random.default_rng(3)
    of_prompt = generator.normal(20, 3, 60)
    values = of_prompt + shift + generator.normal(0, noise, 60) if noise else of_prompt + shift
    guided = more.pop("guided", False)
    return Cell(
        id=f"id {label}",
        label=label,
        settings={},
        guidance_w=0,
        scale_g=1,
        costs=[cost("base", steps[0], guided, 0.002), cost("ssr1", steps[1], guided, 0.004)],
        scores=[mean_score(values[None], context=CONTEXT, **more.pop("score", {}))],
        gallery=[],
        **more,
    )


def one(kind: str, cells: list[Cell], **more: Any) -> Any:
    fields = {"text": "t", "kind": kind, "of": cells[0].label, "to": cells[1].label, **more}
    return conclusions([ConclusionConfig(**fields)], cells)[0]


@pytest.mark.parametrize(
    ("shift", "noise", "verdict"),
    [(0.0, 0.5, "holds"), (0.5, 0.1, "holds"), (-0.5, 0.5, "holds"), (-2.0, 0.5, "fails"), (-1.0, 3.0, "undecided")],
)
def test_non_inferiority_is_a_bound_against_a_margin(shift: float, noise: float, verdict: str) -> None:
    cells = [cell("new", shift, noise), cell("old")]
    found = one("non_inferior", cells, metric="clip_score", margin=1.0)
    assert found.verdict == verdict
    assert found.threshold == -1.0
    assert found.bound is not None
    assert found.bound < found.value
    assert (found.bound > -1.0) == (verdict == "holds")


def test_a_margin_of_the_gap_is_a_share_of_ground_truth_less_shuffled() -> None:
    found = one("non_inferior", [cell("new", -0.5, 0.1), cell("old")], metric="clip_score", margin_of_gap=0.05)
    assert found.threshold == pytest.approx(-1.0)
    assert found.verdict == "holds"


def test_too_few_prompts_decide_nothing() -> None:
    few = {"score": {"decisive": False}}
    cells = [cell("new", 0.5, 0.1, **few), cell("old", **few)]
    assert one("non_inferior", cells, metric="clip_score", margin=1.0).verdict == "undecided"
    assert one("better", cells, metric="clip_score").verdict == "undecided"


@pytest.mark.parametrize(("shift", "verdict"), [(1.0, "holds"), (-1.0, "fails"), (0.0, "undecided")])
@pytest.mark.parametrize("higher", [True, False])
def test_better_is_an_interval_without_zero(shift: float, verdict: str, higher: bool) -> None:
    kind = {"score": {"higher_is_better": higher}}
    cells = [cell("new", shift if higher else -shift, 0.5, **kind), cell("old", **kind)]
    assert one("better", cells, metric="clip_score").verdict == verdict


def test_a_ratio_of_costs_counts_guidance_once_where_it_runs_in_parallel() -> None:
    fast, slow = cell("fast", steps=(8, 8)), cell("slow", steps=(256, 128), guided=True)
    serial = one("ratio", [fast, slow], quantity="seconds", near="flops", tolerance=0.5)
    assert serial.value == pytest.approx(2 * (256 * 2 + 128 * 4) / (8 * 2 + 8 * 4))
    assert serial.threshold == pytest.approx(2 * (256 + 128) / 16)
    parallel = one("ratio", [fast, slow], quantity="seconds_parallel", at_least=18, published=17.7)
    assert parallel.value == pytest.approx(serial.value / 2)
    assert (parallel.verdict, parallel.published) == ("holds", 17.7)
    assert one("ratio", [fast, slow], quantity="flops", at_least=99).verdict == "fails"
    assert one("ratio", [fast, slow], quantity="seconds", near="flops", tolerance=0.01).verdict == "fails"


def test_without_times_a_ratio_of_seconds_is_undecided() -> None:
    untimed = cell("new").model_copy(
        update={"costs": [cost.model_copy(update={"seconds": None}) for cost in cell("new").costs]}
    )
    found = one("ratio", [untimed, cell("old")], quantity="seconds", at_least=2)
    assert (found.value, found.verdict) == (None, "undecided")


def test_a_cell_without_scores_leaves_its_conclusions_undecided() -> None:
    stopped = cell("new").model_copy(update={"scores": []})
    assert one("better", [stopped, cell("old")], metric="clip_score").verdict == "undecided"


def test_the_time_model_finds_the_seconds_of_an_evaluation() -> None:
    cells = [
        cell("a", steps=(256, 128), guided=True),
        cell("b", steps=(256, 8)),
        cell("c", steps=(8, 8)),
        cell("d", steps=(8, 128)),
    ]
    found = time_model(cells)
    assert found is not None
    assert found.constant == pytest.approx(0, abs=1e-9)
    assert (found.base, found.super_resolution) == (pytest.approx(0.002), pytest.approx(0.004))
    assert found.largest_error < 1e-9
    assert time_model(cells[:3]) is None
    assert time_model([cells[0]] * 4) is None


def test_differences_are_in_combined_standard_errors_of_their_own_table() -> None:
    values = [Published(metric="clip_score", value=25.19, stderr=0.03, source="t")]
    others = [Published(metric="clip_score", value=25.02, stderr=0.08, source="t")]
    score = {"score": {"mean": 20.0, "stderr": 0.3}}
    found = published_differences(
        [
            cell("a", published=values, **score),
            cell("b", published=others, score={"mean": 21.0, "stderr": 0.4}),
            cell("c"),
        ]
    )
    assert len(found) == 1
    assert (found[0].a, found[0].b) == ("id b", "id a")
    assert found[0].measured == pytest.approx(1 / 0.5)
    assert found[0].published == pytest.approx(-0.17 / np.hypot(0.03, 0.08))


SUITE: dict[str, Any] = {
    "name": "s",
    "prompts": {"texts": ["a"]},
    "metrics": [{"name": "clip_score", "extractor": "c"}],
    "cells": [{"label": "a"}, {"label": "b", "guidance": 1}],
}


@pytest.mark.parametrize(
    ("conclusion", "said"),
    [
        ({"kind": "non_inferior", "metric": "clip_score"}, "one of margin and margin_of_gap"),
        ({"kind": "better", "metric": "clip_score", "margin": 1}, "and no margin"),
        ({"kind": "ratio", "quantity": "flops"}, "at_least, or near with its tolerance"),
        ({"kind": "ratio", "quantity": "flops", "at_least": 2, "metric": "fvd"}, "a quantity to ratio"),
        ({"kind": "equal"}, "kind"),
    ],
)
def test_a_conclusion_that_says_too_little_or_too_much_is_refused(conclusion: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_suite({**SUITE, "conclusions": [{"text": "t", "of": "a", "to": "b", **conclusion}]})
    assert said in str(caught.value)


def test_conclusions_name_cells_and_metrics_of_the_suite() -> None:
    better = {"text": "t", "kind": "better", "of": "a", "to": "b", "metric": "clip_score"}
    parse_suite({**SUITE, "conclusions": [better]}).require_conclusions(["a", "b"])
    with pytest.raises(ConfigError, match='no cell is labelled "b"'):
        parse_suite({**SUITE, "conclusions": [better]}).require_conclusions(["a", "c"])
    with pytest.raises(ConfigError, match='no metric "clip_scor"'):
        parse_suite({**SUITE, "conclusions": [{**better, "metric": "clip_scor"}]}).require_conclusions(["a", "b"])
