"""How often compare and check are wrong: measured on simulated pairs whose truth is known."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from ivbench.check.compare import Change, compare
from ivbench.check.gate import Gate, Rule, measured_gate
from ivbench.check.judge import judge_changes
from ivbench.check.power import POWER
from ivbench.check.simulated_pairs import Pairs
from ivbench.errors import ConfigError

__all__ = ["ErrorRates", "MetricRates", "Rate", "error_rates"]

_LEAST = 1e-9
"""A margin so small that every significant loss is a regression: the hardest case."""
_SEARCH = 150
_STEPS = 8
_STRONGEST = 64.0


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
        strength: of a loss of the stated smallest size, in steps from the cascade to the worse one.
        stated: mean of the smallest difference that `compare` states of such pairs.
        loss: mean of their loss.
        found: `compare` says worse of them.
    """

    label: str
    alarms: Rate
    differences: Rate
    strength: float
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


def error_rates(pairs: Pairs, trials: int, advance: Callable[[], None] = lambda: None) -> ErrorRates:
    """Measure the error rates of `compare` and `check`, by the functions that these commands call.

    Args:
        pairs: where simulated pairs come from.
        trials: pairs without a change, and as many with a loss for each metric.
        advance: called after each step; there are 1 + metrics of them.
    """
    gates = {label: _gate([label]) for label in pairs.labels}
    everything = _gate(pairs.labels)
    alarms, differences = ({label: 0 for label in pairs.labels} for _ in range(2))
    together, passes = 0, 0
    before = compare(*pairs.pair(trials))
    for number in range(trials):
        comparison = compare(*pairs.pair(number))
        for change in comparison.changes:
            label = change.new.label
            alarms[label] += judge_changes(comparison, gates[label]).state == "regression"
            differences[label] += change.verdict in ("better", "worse")
        together += judge_changes(comparison, everything).state == "regression"
        passes += judge_changes(comparison, measured_gate(before)).state == "pass"
        before = comparison
    advance()
    rows = []
    alpha = 1 - everything.confidence
    for label in pairs.labels:
        alarm, difference = (Rate(counts[label], trials, alpha) for counts in (alarms, differences))
        rows.append(MetricRates(label, alarm, difference, *_power(pairs, label, trials)))
        advance()
    rates = Rate(together, trials, alpha), Rate(passes, trials, everything.confidence)
    return ErrorRates(pairs.prompts, pairs.runs, tuple(rows), *rates)


def _gate(labels: Iterable[str]) -> Gate:
    return Gate(rules=tuple(Rule(metric=label, margin=_LEAST) for label in labels))


def _power(pairs: Pairs, label: str, trials: int) -> tuple[float, float, float, Rate]:
    """(strength, stated difference, loss, how often it was found) where loss and stated difference are the same."""
    strength = _strength_of_stated_loss(pairs, label)
    changes = _changes(pairs, label, range(trials), strength)
    stated, loss = _stated_and_loss(changes)
    found = sum(change.verdict == "worse" for change in changes)
    return strength, stated, loss, Rate(found, trials, POWER)


def _strength_of_stated_loss(pairs: Pairs, label: str) -> float:
    """The strength at which the mean loss is the mean stated difference, by bisection.

    A loss widens the noise too, so the stated difference is that of the very pairs that have the loss.

    Raises:
        ConfigError: however strong, the loss stays smaller: the worse cascade is no worse by this metric.
    """

    def excess(strength: float) -> float:
        stated, loss = _stated_and_loss(_changes(pairs, label, range(_SEARCH), strength))
        return loss - stated

    low, high = 0.0, 1.0
    while excess(high) < 0:
        low, high = high, 2 * high
        if high > _STRONGEST:
            raise ConfigError(f"{label}: the worse cell is not worse by it. Take one with more visible faults.")
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (low, middle) if excess(middle) > 0 else (middle, high)
    return (low + high) / 2


def _changes(pairs: Pairs, label: str, numbers: Iterable[int], strength: float) -> list[Change]:
    return [compare(*pairs.pair(number, strength, [label])).changes[0] for number in numbers]


def _stated_and_loss(changes: Sequence[Change]) -> tuple[float, float]:
    stated = [np.nan if change.detectable is None else change.detectable for change in changes]
    return float(np.mean(stated)), float(np.mean([-change.gain for change in changes]))
