"""Conclusions, the time model and differences in standard errors, on made-up cells whose answers are known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ivbench.config import parse_suite
from ivbench.config.conclusions import ConclusionConfig
from ivbench.errors import ConfigError
from ivbench.results.schema import Cell, Published, PublishedSteps, StageCost
from ivbench.run.conclusions import conclusions, published_differences, time_model
from tests.unit.check.results import mean_score

CONTEXT = {"ground_truth": 30.0, "shuffled": 18.0}
TRUTH = [mean_score(np.full((1, 60), 30.0), context={"shuffled": 10.0})]
REPEATS = (0.99, 1.0, 1.02)


def cost(stage: str, steps: int, guided: bool, each: float, repeats: tuple[float, ...] = REPEATS) -> StageCost:
    nfe = steps * (2 if guided else 1)
    return StageCost(
        stage=stage,
        sampler="ddim",
        steps=steps,
        nfe=nfe,
        rounds=steps,
        flops=3.0 * nfe,
        seconds=each * nfe,
        repeats=[each * nfe * one for one in repeats],
    )


def cell(label: str, shift: float = 0.0, noise: float = 0.0, steps: tuple[int, int] = (8, 4), **more: Any) -> Cell:
    """A cell whose prompts score 20 and more; `noise` is that of its difference to a cell without."""
    generator = np.random.default_rng(3)
    of_prompt = generator.normal(20, 3, 60)
    values = of_prompt + shift + generator.normal(0, noise, 60) if noise else of_prompt + shift
    guided, repeats = more.pop("guided", False), more.pop("repeats", REPEATS)
    return Cell(
        id=f"id {label}",
        label=label,
        settings={},
        guidance_w=0,
        scale_g=1,
        costs=[cost("base", steps[0], guided, 0.002, repeats), cost("ssr1", steps[1], guided, 0.004, repeats)],
        scores=[mean_score(values[None], context=CONTEXT, **more.pop("score", {}))],
        gallery=[],
        **more,
    )


def one(kind: str, cells: list[Cell], **more: Any) -> Any:
    fields = {"text": "t", "kind": kind, "of": cells[0].label, "to": cells[1].label, **more}
    return conclusions([ConclusionConfig(**fields)], cells, TRUTH)[0]


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


@pytest.mark.parametrize(("kind", "sign"), [("non_inferior", -1), ("equivalent", 1)])
@pytest.mark.parametrize("shift", [-0.5, -5.0])
def test_a_margin_of_the_gap_is_of_real_clips_however_the_cell_scores(kind: str, sign: int, shift: float) -> None:
    """The cell's own videos under other captions (18 here) would give a worse cell a wider or another margin."""
    found = one(kind, [cell("new", shift, 0.1), cell("old")], metric="clip_score", margin_of_gap=0.05)
    assert found.threshold == pytest.approx(sign * 0.05 * (30 - 10))
    assert found.verdict == ("holds" if shift > -1 else "fails")


def test_without_real_clips_a_margin_of_the_gap_decides_nothing() -> None:
    wanted = ConclusionConfig(text="t", kind="equivalent", of="a", to="b", metric="clip_score", margin_of_gap=0.05)
    cells = [cell("a", 0.1, 0.1), cell("b")]
    other = TRUTH[0].model_copy(update={"label": "CLIP score [another]"})
    for truth in ([], [other], [TRUTH[0].model_copy(update={"context": {}})]):
        found = conclusions([wanted], cells, truth)[0]
        assert (found.threshold, found.verdict) == (None, "undecided")
        assert found.value == pytest.approx(0.1, abs=0.1)


@pytest.mark.parametrize(
    ("shift", "noise", "verdict"),
    [
        (0.0, 0.5, "holds"),
        (0.7, 0.1, "holds"),
        (-0.7, 0.1, "holds"),
        (2.0, 0.5, "fails"),
        (-2.0, 0.5, "fails"),
        (1.0, 0.5, "undecided"),
        (-1.0, 0.5, "undecided"),
        (0.0, 9.0, "undecided"),
    ],
)
@pytest.mark.parametrize("higher", [True, False])
def test_equivalence_needs_the_bounds_on_both_sides(shift: float, noise: float, verdict: str, higher: bool) -> None:
    kind = {"score": {"higher_is_better": higher}}
    found = one("equivalent", [cell("new", shift, noise, **kind), cell("old", **kind)], metric="clip_score", margin=1.0)
    assert found.verdict == verdict
    assert found.threshold == 1.0
    assert (abs(found.bound) < 1.0) == (verdict == "holds")
    assert abs(found.bound) > abs(found.value)


def test_equivalence_is_tested_at_the_error_rate_of_non_inferiority() -> None:
    """By a t statistic of each side: at margins a hair wider and narrower than the one-sided 95 % bound."""
    cells = [cell("new", -0.3, 0.5), cell("old")]
    values = np.array(cells[0].scores[0].by_prompt[0]) - np.array(cells[1].scores[0].by_prompt[0])
    edge = 1.671093 * values.std(ddof=1) / np.sqrt(60) - values.mean()  # Student's t, 59 degrees of freedom, 95 %
    for kind in ("equivalent", "non_inferior"):
        verdicts = [one(kind, cells, metric="clip_score", margin=edge + by).verdict for by in (-1e-4, 1e-4)]
        assert verdicts == ["undecided", "holds"]


@pytest.mark.parametrize("kind", ["non_inferior", "equivalent", "better"])
def test_scores_of_two_protocols_are_not_compared(kind: str) -> None:
    other = cell("new", -2.0, 0.1, score={"protocol": "clip_score/ivbench@1+bb"})
    more = {} if kind == "better" else {"margin": 1.0}
    found = one(kind, [other, cell("old")], metric="clip_score", **more)
    assert (found.verdict, found.value, found.quantity) == ("undecided", None, "CLIP score [probe]")


def test_too_few_prompts_decide_nothing() -> None:
    few = {"score": {"decisive": False}}
    cells = [cell("new", 0.5, 0.1, **few), cell("old", **few)]
    assert one("non_inferior", cells, metric="clip_score", margin=1.0).verdict == "undecided"
    assert one("equivalent", cells, metric="clip_score", margin=1.0).verdict == "undecided"
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
    parallel = one("ratio", [fast, slow], quantity="seconds_parallel", at_least=15, published=17.7)
    assert parallel.value == pytest.approx(serial.value / 2)
    assert (parallel.verdict, parallel.published) == ("holds", 17.7)
    assert one("ratio", [fast, slow], quantity="flops", at_least=99).verdict == "fails"
    assert one("ratio", [fast, slow], quantity="seconds", near="flops", tolerance=0.01).verdict == "fails"


def test_a_ratio_of_seconds_has_its_range_over_repeats_and_one_of_flops_none() -> None:
    fast, slow = cell("fast", steps=(8, 8)), cell("slow", steps=(256, 128), guided=True, repeats=(1.0, 1.0, 1.1, 0.9))
    found = one("ratio", [fast, slow], quantity="seconds", at_least=1)
    assert found.interval is None
    assert found.range.low == pytest.approx(found.value * 0.9 / 1.02)
    assert found.range.high == pytest.approx(found.value * 1.1 / 0.99)
    assert found.range.repeats == 3
    parallel = one("ratio", [fast, slow], quantity="seconds_parallel", at_least=1)
    assert parallel.range.high == pytest.approx(found.range.high / 2)
    exact = one("ratio", [fast, slow], quantity="flops", at_least=1)
    assert (exact.range, exact.verdict) == (None, "holds")


@pytest.mark.parametrize(
    ("asked", "verdict"),
    [
        ({"at_least": 1.9}, "holds"),
        ({"at_least": 2.0}, "undecided"),
        ({"at_least": 2.1}, "fails"),
        ({"near": "flops", "tolerance": 0.1}, "holds"),
        ({"near": "flops", "tolerance": 0.02}, "undecided"),
    ],
)
def test_a_ratio_is_decided_where_its_whole_range_is(asked: dict[str, Any], verdict: str) -> None:
    """Twice the steps, from 2 * 0.99 / 1.02 = 1.94 to 2 * 1.02 / 0.99 = 2.06 times the seconds."""
    cells = [cell("fast", steps=(8, 8)), cell("slow", steps=(16, 16))]
    assert one("ratio", cells, quantity="seconds", **asked).verdict == verdict


def test_two_measured_ratios_meet_with_the_ranges_of_both() -> None:
    """Half the ratio without guidance in parallel: from 0.5 * (1.94 / 2.06) to 0.5 * (2.06 / 1.94)."""
    cells = [cell("fast", steps=(8, 8)), cell("slow", steps=(8, 8), guided=True)]
    near = {"quantity": "seconds_parallel", "near": "seconds"}
    assert one("ratio", cells, **near, tolerance=0.45).verdict == "fails"
    assert one("ratio", cells, **near, tolerance=0.5).verdict == "undecided"
    assert one("ratio", cells, **near, tolerance=0.55).verdict == "holds"


def test_one_repeat_has_no_range_and_decides_nothing() -> None:
    cells = [cell("fast", steps=(8, 8)), cell("slow", steps=(256, 128), repeats=(1.0,))]
    found = one("ratio", cells, quantity="seconds", at_least=2)
    assert (found.range, found.verdict) == (None, "undecided")
    assert found.value == pytest.approx((256 * 2 + 128 * 4) / (8 * 2 + 8 * 4))


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
    assert found.super_resolution_step == pytest.approx(0.004)
    assert time_model(cells[:3]) is None
    assert time_model([cells[0]] * 4) is None


def test_a_step_of_all_super_resolution_stages_is_one_evaluation_of_each() -> None:
    steps = [(256, 128), (256, 8), (8, 8), (8, 128)]
    cells = [cell(str(each), steps=each) for each in steps]
    longer = [
        one.model_copy(update={"costs": [*one.costs, cost("ssr2", each[1], False, 0.01)]})
        for one, each in zip(cells, steps, strict=True)
    ]
    published = PublishedSteps(base=0.4, super_resolution=4.03, source="t")
    found = time_model(longer, published)
    assert found is not None
    assert found.super_resolution == pytest.approx((0.004 + 0.01) / 2)
    assert found.super_resolution_step == pytest.approx(0.004 + 0.01)
    assert found.published == published


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
        ({"kind": "equivalent", "metric": "clip_score"}, "one of margin and margin_of_gap"),
        ({"kind": "better", "metric": "clip_score", "margin": 1}, "and no margin"),
        ({"kind": "ratio", "quantity": "flops"}, "at_least, or near with its tolerance"),
        (
            {"kind": "ratio", "quantity": "flops", "at_least": 2, "metric": "fvd"},
            "a quantity belongs to the kind ratio",
        ),
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
