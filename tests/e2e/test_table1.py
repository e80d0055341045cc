"""The paper's Table 1: the suite's costs in full, its replay at a tiny size, and what is shipped of it."""

from __future__ import annotations

import html
from pathlib import Path
from typing import Any

import pytest
import yaml

from ivbench.cli.options import Asked, plan_of
from ivbench.config import read_suite
from ivbench.results.files import read_results
from tests.e2e.test_quick import ZOO, ivbench

ROOT = ZOO.parent
PAPER = {
    "constant 6, 256/128": (25.19, 92.12, 618),
    "oscillate(15,1), 256/128": (25.02, 89.91, 618),
    "constant 6, 256/8 distilled SR": (25.29, 90.88, 135),
    "oscillate(15,1), 256/8 distilled SR": (25.15, 88.78, 135),
    "constant 6, 8/8 distilled": (25.03, 89.68, 35),
    "oscillate(15,1), 8/8 distilled": (25.12, 90.97, 35),
}
"""Source: Imagen Video (2210.02303), Table 1: CLIP score, R-Precision, seconds."""
RATIO_CELLS = ("constant 6, 256/128", "constant 6, 8/8 distilled")


def test_the_papers_rows_cost_what_its_formula_says() -> None:
    _, plan = plan_of(Asked(suite="table1"))
    cells = {cell.label: cell for cell in plan.cells}
    assert list(cells)[:6] == list(PAPER)
    for label, published in PAPER.items():
        values = {one.metric: one.value for one in cells[label].published}
        assert (values["clip_score"], values["r_precision"], values["seconds"]) == published
    slow, fast = cells["constant 6, 256/128"].costs, cells["constant 6, 8/8 distilled"].costs
    evaluation = [cost.flops / cost.nfe for cost in slow]
    base = evaluation[0] / sum(evaluation)
    ratio = sum(cost.flops for cost in slow) / sum(cost.flops for cost in fast)
    # The students' networks are larger by the embedding of w and of the jump: less than a hundredth.
    assert ratio == pytest.approx(32 + 32 * base, rel=0.01)
    assert [cost.nfe for cost in slow] == [512, 256, 256]
    assert [cost.nfe for cost in fast] == [8, 8, 8]
    high = cells["oscillate(15,1), 8/8 distilled"]
    assert {cell.label for cell in plan.cells if cell.guidance_w is None} == set(list(PAPER)[1::2])
    assert len({cell.id for cell in plan.cells}) == len(plan.cells)
    assert high.weights == ("shapes-lite-distilled",) * 3


def test_its_conclusions_have_the_papers_differences_and_equivalence_at_both_guidances() -> None:
    suite = read_suite("table1")
    for one in suite.conclusions:
        if one.published is not None and one.metric is not None:
            column = ("clip_score", "r_precision").index(one.metric)
            assert one.published == pytest.approx(PAPER[one.of][column] - PAPER[one.to][column])
    equal = {
        (one.of, one.to, one.metric, one.margin, one.margin_of_gap)
        for one in suite.conclusions
        if one.kind == "equivalent"
    }
    assert equal == {
        (f"{guidance}, 32/16", f"{guidance}, 256/128", *asked)
        for guidance in ("constant 6", "w = 1/0")
        for asked in (("clip_score", None, 0.05), ("r_precision", 5, None))
    }
    assert suite.published is not None
    steps = suite.published.step_seconds
    assert steps is not None
    # 618 = a + 256 b + 128 c, 135 = a + 256 b + 8 c, 35 = a + 8 b + 8 c
    assert steps.base == pytest.approx((135 - 35) / 248, abs=0.005)
    assert steps.sr == pytest.approx((618 - 135) / 120, abs=0.0051)


def _tiny(suite: dict[str, Any]) -> dict[str, Any]:
    """The suite with 20 prompts, and 4 steps of the base and 2 of super-resolution where the paper has 256 and 128."""
    fewer = {256: 4, 128: 2, 32: 3, 16: 2, 8: 8}
    for cell in suite["cells"]:
        steps = cell["steps"]
        cell["steps"] = {key: fewer[n] for key, n in steps.items()} if isinstance(steps, dict) else fewer[steps]
    return suite | {"prompts": suite["prompts"] | {"count": 20}, "reference": {"count": 256}, "gallery": 2, "runs": 2}


@pytest.mark.slow
def test_its_replay_at_a_tiny_size_sets_every_row_beside_the_papers(tmp_path: Path) -> None:
    suite = yaml.safe_load((ROOT / "ivbench" / "config" / "suites" / "table1.yaml").read_text())
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(_tiny(suite)))
    done = ivbench(tmp_path, "run", "--suite", "tiny.yaml", "--out", "out")
    assert done.returncode == 0, done.stderr
    results = read_results(tmp_path / "out" / "results.json")
    names = [score.metric for score in results.cells[0].scores]
    assert names == ["clip_score", "r_precision", "frame_fid", "fvd"]
    for cell in results.cells:
        assert cell.complete
        assert all(score.counts.used == 40 and score.stderr is not None for score in cell.scores)
    assert [score.metric for score in results.ground_truth] == names
    # The 6 rows have 15 pairs, each by both metrics.
    assert len(results.published_differences) == 30
    assert all(one.measured is not None and one.published is not None for one in results.published_differences)
    assert results.time_model is not None
    assert results.time_model.published is not None
    costs = {cell.label: cell.costs for cell in results.cells}
    assert all(len(cost.repeats) == 3 for label in RATIO_CELLS for cost in costs[label])
    for one in results.conclusions:
        assert one.value is not None
        assert (one.range is not None) == (one.quantity in ("seconds", "seconds_parallel"))
    clip = results.ground_truth[0]
    margins = {one.threshold for one in results.conclusions if one.quantity == clip.label and one.kind == "equivalent"}
    assert margins == {0.05 * (clip.value - clip.context["shuffled"])}
    verdicts = {one.text: one.verdict for one in results.conclusions}
    assert len(verdicts) == len(suite["conclusions"])
    page = html.unescape((tmp_path / "out" / "report.html").read_text(encoding="utf-8"))
    assert all(text in page for text in ("Imagen Video, Table 1", "92.12", "618", *verdicts))
