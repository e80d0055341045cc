"""Conclusions of a suite put to the test on the cells' own scores and costs; its published values beside ours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np
from scipy import special

from ivbench.config.conclusions import ConclusionConfig
from ivbench.metrics.differences import Paired, paired
from ivbench.metrics.protocol import measure
from ivbench.results.schema import Cell, Conclusion, PublishedDifference, PublishedSteps, Score, TimeModel
from ivbench.run.cost_ratios import cost, ratio_test

__all__ = ["conclusions", "published_differences", "time_model"]

_ERROR_RATE = 0.05


def conclusions(
    wanted: Sequence[ConclusionConfig], cells: Sequence[Cell], ground_truth: Sequence[Score] = ()
) -> list[Conclusion]:
    """The verdict on each conclusion.

    Non-inferiority holds where the one-sided 95 % bound of the paired difference lies above the margin, and fails where
    the other bound lies below it. Equivalence is two such tests: it holds where the bounds on both sides lie within the
    margin, and fails where one bound lies beyond it on the far side. Superiority holds or fails where the two-sided
    95 % interval excludes 0. A ratio of costs: see `ivbench.run.cost_ratios`. Each is a test by itself.

    Args:
        wanted: of the suite.
        cells: finished; a conclusion on a cell without scores, or on scores of two protocols, is undecided.
        ground_truth: the same metrics of real clips; where there is none, a margin of the gap is unknown.
    """
    labelled = {cell.label: cell for cell in cells}
    return [_conclusion(one, labelled[one.of], labelled[one.to], ground_truth) for one in wanted]


def _conclusion(wanted: ConclusionConfig, of: Cell, to: Cell, ground_truth: Sequence[Score]) -> Conclusion:
    blank = Conclusion(text=wanted.text, kind=wanted.kind, of=of.id, to=to.id, published=wanted.published)
    if wanted.kind == "ratio":
        return blank.model_copy(update=ratio_test(wanted, of, to))
    sides = [next((score for score in cell.scores if score.metric == wanted.metric), None) for cell in (of, to)]
    if sides[0] is None or sides[1] is None:
        return blank.model_copy(update={"quantity": wanted.metric or ""})
    found = paired(sides[0], sides[1]) if sides[0].protocol == sides[1].protocol else None
    blank = blank.model_copy(update={"quantity": sides[0].label})
    if found is None:
        return blank
    update = {"value": found.value, "interval": found.interval}
    if wanted.kind == "better":
        return blank.model_copy(update={**update, "verdict": _better(sides[0], found)})
    margin = _margin(wanted, sides[0], ground_truth)
    if margin is None:
        return blank.model_copy(update=update)
    test = _non_inferior if wanted.kind == "non_inferior" else _equivalent
    return blank.model_copy(update={**update, **test(margin, sides[0], found)})


def _better(score: Score, found: Paired) -> str:
    if not found.significant:
        return "undecided"
    return "holds" if (found.value > 0) == score.higher_is_better else "fails"


def _non_inferior(margin: float, score: Score, found: Paired) -> Mapping[str, object]:
    sign, reach = (1.0 if score.higher_is_better else -1.0), _reach(found)
    low, high = sign * found.value - reach, sign * found.value + reach
    verdict = "holds" if low > -margin else "fails" if high < -margin else "undecided"
    return {
        "threshold": -sign * margin,
        "bound": sign * low,
        "verdict": verdict if found.decisive else "undecided",
    }


def _equivalent(margin: float, score: Score, found: Paired) -> Mapping[str, object]:
    """Two one-sided tests at 5 % each (Schuirmann 1987), so the test as a whole is at 5 %."""
    low, high = found.value - _reach(found), found.value + _reach(found)
    verdict = "holds" if -margin < low and high < margin else "undecided"
    if low > margin or high < -margin:
        verdict = "fails"
    return {
        "threshold": margin,
        "bound": max(low, high, key=abs),
        "verdict": verdict if found.decisive else "undecided",
    }


def _reach(found: Paired) -> float:
    """From the difference to its one-sided 95 % bound."""
    return float(special.stdtrit(found.units - 1, 1 - _ERROR_RATE)) * found.error


def _margin(wanted: ConclusionConfig, score: Score, ground_truth: Sequence[Score]) -> float | None:
    """In the metric's unit. The gap is that of real clips: between their value and theirs under shuffled captions."""
    if wanted.margin_of_gap is None:
        return wanted.margin
    same = (one for one in ground_truth if measure(one.label, one.protocol) == measure(score.label, score.protocol))
    truth = next(same, None)
    if truth is None or "shuffled" not in truth.context:
        return None
    return wanted.margin_of_gap * abs(truth.value - truth.context["shuffled"])


def time_model(cells: Sequence[Cell], published: PublishedSteps | None = None) -> TimeModel | None:
    """Sampling time as a + b x base evaluations + c x super-resolution evaluations, by least squares.

    The paper's Table 1 is exactly linear in steps, since guidance's two evaluations run in parallel there; on one
    device they follow one another, so evaluations take the place of steps. None with fewer than 4 timed cells, or
    where these don't tell the three apart.

    Args:
        cells: with seconds; others are left out. All have the same stages, the first of which is the base.
        published: seconds of a step, to stand beside. With guidance in parallel a step of the paper's takes as long as
            one evaluation of ours: `base` of the base model, `super_resolution` of each other stage.
    """
    rows = [(cell.costs, cost("seconds", cell.costs)) for cell in cells]
    timed = [(costs, found.value) for costs, found in rows if found is not None and len(costs) > 1]
    inputs = np.array([[1.0, costs[0].nfe or 0, sum(one.nfe or 0 for one in costs[1:])] for costs, _ in timed])
    if len(timed) < 4 or np.linalg.matrix_rank(inputs) < 3:
        return None
    seconds = np.array([value for _, value in timed])
    # Relative errors count: the slowest cell is forty times the fastest.
    found = np.linalg.lstsq(inputs / seconds[:, None], np.ones(len(seconds)), rcond=None)[0]
    error = float(np.max(np.abs(inputs @ found / seconds - 1)))
    return TimeModel(
        constant=found[0],
        base=found[1],
        super_resolution=found[2],
        largest_error=error,
        super_resolution_step=found[2] * (len(timed[0][0]) - 1),
        published=published,
    )


def published_differences(cells: Sequence[Cell]) -> list[PublishedDifference]:
    """Of every two cells with published values: their difference in combined standard errors, ours and published.

    (x - y) / sqrt(se_x^2 + se_y^2), each inside its own table, over runs as the paper counts them.
    """
    found = []
    for earlier, later in combinations([cell for cell in cells if cell.published], 2):
        for value in later.published:
            other = next((one for one in earlier.published if one.metric == value.metric), None)
            ours = [next((s for s in cell.scores if s.metric == value.metric), None) for cell in (later, earlier)]
            if other is None or ours[0] is None or ours[1] is None:
                continue
            found.append(
                PublishedDifference(
                    a=later.id,
                    b=earlier.id,
                    metric=value.metric,
                    measured=_in_errors(ours[0].mean, ours[0].stderr, ours[1].mean, ours[1].stderr),
                    published=_in_errors(value.value, value.stderr, other.value, other.stderr),
                )
            )
    return found


def _in_errors(x: float, error_x: float | None, y: float, error_y: float | None) -> float | None:
    if error_x is None or error_y is None:
        return None
    combined = float(np.hypot(error_x, error_y))
    return (x - y) / combined if combined > 0 else None
