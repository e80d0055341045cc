"""What a paper concludes from its table, put to the test on the cells' own scores and costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np
from scipy import special

from ivbench.config.conclusions import ConclusionConfig
from ivbench.metrics.differences import Paired, paired
from ivbench.results.schema import Cell, Conclusion, PublishedDifference, Score, StageCost, TimeModel
from ivbench.results.totals import total

__all__ = ["conclusions", "published_differences", "time_model"]

_ERROR_RATE = 0.05


def conclusions(wanted: Sequence[ConclusionConfig], cells: Sequence[Cell]) -> list[Conclusion]:
    """The verdict on each conclusion.

    Non-inferiority holds where the one-sided 95 % bound of the paired difference lies above the margin, and fails where
    the other bound lies below it. Superiority holds or fails where the two-sided 95 % interval excludes 0. A ratio of
    costs has no interval.

    Args:
        wanted: of the suite.
        cells: finished; a conclusion on a cell without scores is undecided.
    """
    labelled = {cell.label: cell for cell in cells}
    return [_conclusion(one, labelled[one.of], labelled[one.to]) for one in wanted]


def _conclusion(wanted: ConclusionConfig, of: Cell, to: Cell) -> Conclusion:
    blank = Conclusion(text=wanted.text, kind=wanted.kind, of=of.id, to=to.id, published=wanted.published)
    if wanted.kind == "ratio":
        return blank.model_copy(update=_ratio(wanted, of, to))
    sides = [next((score for score in cell.scores if score.metric == wanted.metric), None) for cell in (of, to)]
    found = None if sides[0] is None or sides[1] is None else paired(sides[0], sides[1])
    if sides[0] is None or found is None:
        return blank.model_copy(update={"quantity": wanted.metric or ""})
    test = _non_inferior if wanted.kind == "non_inferior" else _better
    return blank.model_copy(update={"quantity": sides[0].label, **test(wanted, sides[0], found)})


def _better(wanted: ConclusionConfig, score: Score, found: Paired) -> Mapping[str, object]:
    sign = 1.0 if score.higher_is_better else -1.0
    verdict = "undecided" if not found.significant else "holds" if sign * found.value > 0 else "fails"
    return {"value": found.value, "interval": found.interval, "verdict": verdict}


def _non_inferior(wanted: ConclusionConfig, score: Score, found: Paired) -> Mapping[str, object]:
    margin = _margin(wanted, score)
    if margin is None:
        return {"value": found.value, "interval": found.interval}
    sign = 1.0 if score.higher_is_better else -1.0
    reach = float(special.stdtrit(found.units - 1, 1 - _ERROR_RATE)) * found.error
    low, high = sign * found.value - reach, sign * found.value + reach
    verdict = "holds" if low > -margin else "fails" if high < -margin else "undecided"
    return {
        "value": found.value,
        "interval": found.interval,
        "threshold": -sign * margin,
        "bound": sign * low,
        "verdict": verdict if found.decisive else "undecided",
    }


def _margin(wanted: ConclusionConfig, score: Score) -> float | None:
    if wanted.margin_of_gap is None:
        return wanted.margin
    if not {"ground_truth", "shuffled"} <= score.context.keys():
        return None
    return wanted.margin_of_gap * abs(score.context["ground_truth"] - score.context["shuffled"])


def _ratio(wanted: ConclusionConfig, of: Cell, to: Cell) -> Mapping[str, object]:
    assert wanted.quantity is not None
    value = _times(wanted.quantity, of, to)
    threshold = wanted.at_least if wanted.near is None else _times(wanted.near, of, to)
    found: dict[str, object] = {"quantity": wanted.quantity, "value": value, "threshold": threshold}
    if value is None or threshold is None:
        return found
    near, enough = wanted.tolerance, value >= threshold
    holds = enough if near is None else abs(value / threshold - 1) <= near
    return {**found, "tolerance": wanted.tolerance, "verdict": "holds" if holds else "fails"}


def _times(quantity: str, of: Cell, to: Cell) -> float | None:
    costs = [_cost(quantity, cell.costs) for cell in (of, to)]
    return None if costs[0] is None or costs[1] is None or not costs[0] else costs[1] / costs[0]


def _cost(quantity: str, stages: Sequence[StageCost]) -> float | None:
    """Of one video over all stages; None where it is not known."""
    if quantity != "seconds_parallel":
        return total(getattr(stage, quantity) for stage in stages)
    return total(
        None if stage.seconds is None or stage.nfe is None else stage.seconds * stage.rounds / stage.nfe
        for stage in stages
    )


def time_model(cells: Sequence[Cell]) -> TimeModel | None:
    """Sampling time as a + b x base evaluations + c x super-resolution evaluations, by least squares.

    The paper's Table 1 is exactly linear in steps, since guidance's two evaluations run in parallel there; on one
    device they follow one another, so evaluations take the place of steps. None with fewer than 4 timed cells, or
    where these don't tell the three apart.
    """
    rows = [(cell.costs, _cost("seconds", cell.costs)) for cell in cells]
    timed = [(costs, seconds) for costs, seconds in rows if seconds is not None and len(costs) > 1]
    inputs = np.array([[1.0, costs[0].nfe or 0, sum(cost.nfe or 0 for cost in costs[1:])] for costs, _ in timed])
    if len(timed) < 4 or np.linalg.matrix_rank(inputs) < 3:
        return None
    seconds = np.array([value for _, value in timed])
    # Relative errors count: the slowest cell is forty times the fastest.
    found = np.linalg.lstsq(inputs / seconds[:, None], np.ones(len(seconds)), rcond=None)[0]
    error = float(np.max(np.abs(inputs @ found / seconds - 1)))
    return TimeModel(constant=found[0], base=found[1], super_resolution=found[2], largest_error=error)


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
