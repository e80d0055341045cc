"""The verdict of a gate on a comparison; fails closed on whatever is missing."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from ivbench.check.compare import Change, Comparison
from ivbench.check.gate import Gate, Rule
from ivbench.check.power import units_needed
from ivbench.errors import did_you_mean

__all__ = ["Outcome", "Verdict", "judge_changes"]

State = Literal["pass", "regression", "inconclusive", "missing"]
_EXIT: dict[State, int] = {"pass": 0, "regression": 1, "missing": 2, "inconclusive": 3}


@dataclass(frozen=True)
class Verdict:
    """What the gate says of one metric of one cell.

    Attributes:
        cell, metric: labels.
        state: missing comes before regression, regression before inconclusive.
        gain: new minus old, positive is better; None where missing.
        low, high: one-sided bounds of the gain, each at the corrected error rate.
        margin: of the rule.
        reason: in words.
    """

    cell: str
    metric: str
    state: State
    gain: float | None
    low: float | None
    high: float | None
    margin: float
    reason: str


@dataclass(frozen=True)
class Outcome:
    """All verdicts, and what follows from them."""

    verdicts: tuple[Verdict, ...]
    missing: tuple[str, ...]
    added: tuple[str, ...]

    @property
    def state(self) -> State:
        """The worst of all: a missing value, then a regression, then what could not be decided."""
        states = {verdict.state for verdict in self.verdicts}
        if self.missing or not states or "missing" in states:
            return "missing"
        if "regression" in states:
            return "regression"
        return "inconclusive" if "inconclusive" in states else "pass"

    @property
    def summary(self) -> str:
        """How many verdicts of each kind there are, in words."""
        counts = {state: sum(verdict.state == state for verdict in self.verdicts) for state in _EXIT}
        counts["missing"] += len(self.missing)
        return ", ".join(f"{count} {state}" for state, count in counts.items() if count) or "the gate has no verdict"

    @property
    def exit_code(self) -> int:
        """0 pass, 1 regression, 2 missing value, 3 inconclusive."""
        return _EXIT[self.state]


def judge_changes(comparison: Comparison, gate: Gate) -> Outcome:
    """Judge every metric of every cell that the gate has a rule for.

    Fails closed: what the baseline has and the new file lacks, another protocol, other settings under a cell's label.

    The error rate 1 - confidence is shared out evenly (Bonferroni), so that without a change all verdicts together
    raise a false alarm no oftener than that; with confidences of metrics' own no oftener than in the mean over all
    verdicts of what each allows (`Gate.error_rate`).

    Args:
        comparison: of the baseline (old) with the results to check (new).
        gate: the rules.
    """
    rules = {rule.metric: rule for rule in gate.rules}
    judged = [(change, rules[change.new.label]) for change in comparison.changes if change.new.label in rules]
    verdicts = tuple(
        _verdict(change, rule, gate.error_rate(rule, len(judged)), gate.power, comparison.prompts)
        for change, rule in judged
    )
    found = {(change.cell, change.new.label) for change, _ in judged}
    said = comparison.unmatched
    cells = [cell for cell in comparison.cells if not any(line.startswith(f"{cell}: ") for line in said)]
    labels = {change.new.label for change in comparison.changes}
    nowhere = [] if said or not labels else [metric for metric in rules if metric not in labels]
    somewhere = [metric for metric in rules if metric not in nowhere]
    absent = (f"{cell}: no {metric}" for cell in cells for metric in somewhere if (cell, metric) not in found)
    unknown = (f'no cell has a score "{metric}".{did_you_mean(metric, labels)}' for metric in nowhere)
    return Outcome(verdicts, (*said, *absent, *unknown), comparison.added)


def _verdict(change: Change, rule: Rule, alpha: float, power: float, prompts: int) -> Verdict:
    found = change.paired
    if found is None or not found.decisive:
        why = "; ".join(change.new.notes or change.old.notes) or _undecided(change)
        return Verdict(change.cell, rule.metric, "missing", None, None, None, rule.margin, f"decides nothing: {why}")
    sides = 2 if rule.rule == "no-change" else 1
    low, high = found.bounds(alpha / sides)
    if not change.new.higher_is_better:
        low, high = 0.0 - high, 0.0 - low  # never -0
    gain = change.gain
    state, reason = _state(rule, gain, low, high)
    if state == "inconclusive":
        loss = abs(gain) if sides == 2 else -gain
        distance = max(rule.margin - loss, loss)  # to the nearer of the two verdicts, the margin's and zero's
        units = units_needed(found.error, found.units, alpha / sides, distance, power)
        needed = math.ceil(prompts * units / found.units)
        reason = f"{reason}; about {needed:,} prompts would decide (now {prompts:,})"
    return Verdict(change.cell, rule.metric, state, gain, low, high, rule.margin, reason)


def _state(rule: Rule, gain: float, low: float, high: float) -> tuple[State, str]:
    within = low > -rule.margin and (rule.rule == "non-inferior" or high < rule.margin)
    if within:
        return "pass", "worse, but within the margin" if high < 0 else "within the margin"
    if high < 0:
        return "regression", "worse"
    if rule.rule == "no-change" and low > 0:
        return "regression", "changed: better, where no change is allowed"
    return "inconclusive", "neither a change nor its absence is shown"


def _undecided(change: Change) -> str:
    for score in (change.old, change.new):
        if not score.by_prompt and not score.influence:
            return "an older ivbench wrote the file, without what an interval needs; score its suite again"
    return "too few prompts for an interval"
