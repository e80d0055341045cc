"""How often compare and check are wrong: measured on simulated re-runs whose truth is known."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import optimize, stats

from ivbench.check.compare import Change, Comparison, compare
from ivbench.check.gate import Gate, Rule, measured_gate
from ivbench.check.judge import judge_changes
from ivbench.check.power import POWER
from ivbench.check.reruns import Reruns

__all__ = ["PAIRS_OF_A_SET", "PAIRS_OF_MEANS", "ErrorRates", "MetricRates", "Rate", "error_rates"]

_LEAST = 1e-9
"""A margin so small that every significant loss is a regression: the hardest case."""
_SEARCH, _PRECISE = 150, 5e-3
"""Pairs of each step of the search for a loss of the stated size; how exact it is, as part of the way."""
PAIRS_OF_MEANS = 5
"""Pairs without a change of a metric whose videos have values of their own, as multiples of the others': cheap."""
PAIRS_OF_A_SET = 25
"""Pairs of one set of prompts, where intervals hold the prompts fixed."""


@dataclass(frozen=True)
class Rate:
    """How often something happened.

    Attributes:
        count, trials: times, out of how many.
        nominal: the rate that is promised.
    """

    count: int
    trials: int
    nominal: float

    @property
    def value(self) -> float:
        """The share."""
        return self.count / self.trials

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """Clopper & Pearson's exact interval of the share."""
        found = stats.binomtest(self.count, self.trials).proportion_ci(level)
        return float(found.low), float(found.high)

    def covers(self, level: float = 0.95) -> bool:
        """The interval covers the nominal rate."""
        low, high = self.interval(level)
        return low <= self.nominal <= high


@dataclass(frozen=True)
class MetricRates:
    """Of one metric alone.

    Attributes:
        label: of the metric.
        alarms: `check` says regression of pairs without a change.
        differences: `compare` says better or worse of pairs without a change.
        stated: mean of the smallest difference that `compare` states of pairs with a loss of that size.
        loss: mean of their loss; smaller where even the worse cascade is not that much worse.
        found: `compare` says worse of them.
    """

    label: str
    alarms: Rate
    differences: Rate
    stated: float
    loss: float
    found: Rate


@dataclass(frozen=True)
class ErrorRates:
    """Of one number of prompts.

    Attributes:
        prompts, runs: of each side of a pair.
        metrics: one by one.
        together: `check` says regression of any metric of pairs without a change, under a gate of all.
        passes: `check` passes a re-run by the gate that `check --init` measured on another pair.
    """

    prompts: int
    runs: int
    metrics: tuple[MetricRates, ...]
    together: Rate
    passes: Rate


def error_rates(reruns: Reruns, trials: int, advance: Callable[[], None] = lambda: None) -> ErrorRates:
    """Measure the error rates of `compare` and `check`, by the functions that these commands call.

    Args:
        reruns: where simulated files come from.
        trials: pairs without a change, and as many with a loss for each metric; without a change of each mean five
            times as many.
        advance: called after each step; there are 1 + metrics of them.
    """
    everything = _gate(reruns.labels)
    said = _Said(reruns.labels)
    together, passes = 0, 0
    for number in range(trials):
        baseline, again, third = reruns.files(number)
        comparison = compare(baseline, third)
        said.add(comparison)
        together += judge_changes(comparison, everything).state == "regression"
        passes += judge_changes(comparison, measured_gate(compare(baseline, again))).state == "pass"
    if reruns.means:
        said.add_pairs(reruns, range(trials, PAIRS_OF_MEANS * trials))
    advance()
    alpha, rows = 1 - everything.confidence, []
    for label in reruns.labels:
        pairs = trials * (PAIRS_OF_MEANS if label in reruns.means else 1)
        of_check, of_compare = (Rate(counts[label], pairs, alpha) for counts in (said.alarms, said.differences))
        rows.append(MetricRates(label, of_check, of_compare, *_power(reruns, label, trials)))
        advance()
    shared = Rate(together, trials, alpha), Rate(passes, trials, everything.confidence)
    return ErrorRates(reruns.prompts, reruns.runs, tuple(rows), *shared)


class _Said:
    """How often something was said of pairs without a change.

    Attributes:
        alarms: label -> times that `check` said regression, under a gate of the metric alone.
        differences: label -> times that `compare` said better or worse.
    """

    def __init__(self, labels: Sequence[str]) -> None:
        self._gates = {label: _gate([label]) for label in labels}
        self.alarms, self.differences = (dict.fromkeys(labels, 0) for _ in range(2))

    def add(self, comparison: Comparison) -> None:
        """Count what is said of one pair."""
        for change in comparison.changes:
            label = change.new.label
            self.alarms[label] += judge_changes(comparison, self._gates[label]).state == "regression"
            self.differences[label] += change.verdict in ("better", "worse")

    def add_pairs(self, reruns: Reruns, numbers: Iterable[int]) -> None:
        """Count what is said of the means of more pairs."""
        for number in numbers:
            baseline, _, third = reruns.files(number, labels=reruns.means)
            self.add(compare(baseline, third))


def _gate(labels: Iterable[str]) -> Gate:
    return Gate(rules=tuple(Rule(metric=label, margin=_LEAST) for label in labels))


def _power(reruns: Reruns, label: str, trials: int) -> tuple[float, float, Rate]:
    """(stated difference, loss, how often it was found) where the loss is as large as the stated difference.

    An interval that holds the prompts fixed promises its power for the loss on these very prompts, which differs
    between sets of prompts by more than its noise: so every set has a loss of its own.
    """
    held_fixed = not _changes(reruns, label, range(1), 0.0, None)[0].new.by_prompt
    changes: list[Change] = []
    for drawn, numbers in _sets(trials) if held_fixed else [(None, range(trials))]:
        far = _stated_loss(reruns, label, numbers[:_SEARCH], drawn)
        changes += _changes(reruns, label, numbers, far, drawn)
    found = sum(change.verdict == "worse" for change in changes)
    return *_stated_and_loss(changes), Rate(found, len(changes), POWER)


def _sets(trials: int) -> list[tuple[int | None, range]]:
    """Sets of prompts, by the number that draws them, each with its share of all trials."""
    firsts = range(0, trials, PAIRS_OF_A_SET)
    return [(first, range(first, min(first + PAIRS_OF_A_SET, trials))) for first in firsts]


def _stated_loss(reruns: Reruns, label: str, numbers: range, drawn: int | None) -> float:
    """How far on the way to the worse cascade the mean loss is the mean stated difference; at most 1.

    Worse videos change the noise too, so the stated difference is that of the very pairs that have the loss.
    """

    def excess(far: float) -> float:
        stated, loss = _stated_and_loss(_changes(reruns, label, numbers, far, drawn))
        return loss - stated

    return 1.0 if excess(1.0) <= 0 else float(optimize.brentq(excess, 0.0, 1.0, xtol=_PRECISE))


def _changes(reruns: Reruns, label: str, numbers: Iterable[int], far: float, drawn: int | None) -> list[Change]:
    found = []
    for number in numbers:
        old, new = reruns.files(number, 2, far, [label], drawn)
        found.append(compare(old, new).changes[0])
    return found


def _stated_and_loss(changes: Sequence[Change]) -> tuple[float, float]:
    stated = [np.nan if change.detectable is None else change.detectable for change in changes]
    return float(np.mean(stated)), float(np.mean([-change.gain for change in changes]))
