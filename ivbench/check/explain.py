"""From one number to another, one choice of the protocol at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ivbench.check.walk import Choices, Side, Step, walk
from ivbench.config import MetricConfig, MetricUnder, digest
from ivbench.errors import ConfigError
from ivbench.metrics.protocol import measure
from ivbench.plan import Plan, build_plan
from ivbench.results.schema import Results, Score

__all__ = ["Explained", "Rescore", "Step", "explain", "explanation_record", "explanation_rows"]

Rescore = Callable[[Plan, str], Score | None]
"""(a plan of one metric, a cell's id) -> its score from what the store has; None where it lacks videos of it."""


@dataclass(frozen=True)
class Explained:
    """One metric of one cell in both files, and the steps between.

    Attributes:
        cell: its label.
        old, new: the recorded scores.
        steps: their changes sum up to new minus old.
    """

    cell: str
    old: Score
    new: Score
    steps: tuple[Step, ...]


@dataclass(frozen=True, eq=False)
class _Side(Side):
    """How one file of a suite made one number."""

    plan: Plan
    config: MetricConfig
    cell: str
    score: Score
    rescore: Rescore

    @property
    def choices(self) -> Choices:
        """In the order in which they are changed; videos: cascade, settings of the cell, stages and device."""
        suite = self.plan.suite
        return {
            "profile": self.config.choices,
            "extractor": self.config.extractor,
            "reference": suite.reference,
            "samples_per_prompt": suite.samples_per_prompt,
            "seeds": suite.run_seeds,
            "prompts": self.plan.prompts,
            "videos": self,
        }

    @property
    def label(self) -> str:
        """Of the cell."""
        return self.plan.cell(self.cell).label

    def in_words(self) -> str:
        """The cascade, and a digest of what decides the videos beside prompts and seeds."""
        part, execution = self.plan.suite.stages, self.plan.execution
        found = digest([self.cell, part.model_dump(mode="json"), execution.model_dump(mode="json")])
        return f"{self.plan.source.spec.name}, videos {found[:8]}"

    def rescored(self, choices: Choices) -> Score | None:
        """By a plan of one metric."""
        return self.rescore(self._plan_with(choices), self.cell)

    def _plan_with(self, choices: Choices) -> Plan:
        suite, seeds = self.plan.suite, choices["seeds"]
        metric = MetricUnder(name=self.config.name, extractor=choices["extractor"], given=choices["profile"])
        chosen = {
            "metrics": (metric,),
            "reference": choices["reference"],
            "samples_per_prompt": choices["samples_per_prompt"],
            "seeds": seeds,
            "runs": len(seeds),
            "published": None,
            "conclusions": (),
        }
        suite = suite.model_copy(update=chosen)
        return build_plan(suite, self.plan.source, self.plan.execution, choices["prompts"], variants=self.plan.variants)


def explain(old: Results, old_plan: Plan, new: Results, new_plan: Plan, rescore: Rescore) -> list[Explained]:
    """Walk from every number of OLD to that of NEW, one choice at a time. Nothing is sampled.

    A choice that needs videos which the store lacks waits until others have been changed; those that are left at the
    end are changed together. A choice of the profile that cannot be changed alone is changed with those that it needs.
    What a step changes depends on those before it: their order is fixed.

    Args:
        old, new: results files.
        old_plan, new_plan: the plans that they were made by.
        rescore: computes numbers between.

    Raises:
        ConfigError: the files share no metric of a cell.
    """
    found, later = [], list(_sides(new, new_plan, rescore))
    for before in _sides(old, old_plan, rescore):
        after = _counterpart(before, [one for one in later if one.label == before.label])
        if after is not None:
            later.remove(after)
            found.append(Explained(before.label, before.score, after.score, tuple(walk(before, after))))
    if not found:
        cells = (", ".join(f'"{cell.label}"' for cell in results.cells) for results in (old, new))
        raise ConfigError("the files share no metric of a cell: old has {}, new has {}.".format(*cells))
    return found


def _sides(results: Results, plan: Plan, rescore: Rescore) -> Iterator[_Side]:
    for planned, cell in zip(plan.cells, results.cells, strict=True):
        if cell.scores:
            for config, score in zip(plan.suite.metrics, cell.scores, strict=True):
                yield _Side(plan, config, planned.id, score, rescore)


def _counterpart(side: _Side, others: list[_Side]) -> _Side | None:
    """The same metric of the other file, with the same extractor and profile where it has such."""

    def likeness(other: _Side) -> int:
        pairs = (side.config.extractor, other.config.extractor), (side.config.profile, other.config.profile)
        return sum(ours == theirs for ours, theirs in pairs)

    return max((other for other in others if other.config.name == side.config.name), key=likeness, default=None)


def explanation_rows(found: Sequence[Explained]) -> tuple[list[str], list[list[str]]]:
    """Headings, and a row a step; before the steps of a metric a row with the number of OLD."""
    rows = []
    for one in found:
        names = one.old.label if one.old.label == one.new.label else f"{one.old.label} / {one.new.label}"
        rows.append([one.cell, names, "old", _profile(one.old), "", _short(one.old.value), ""])
        rows += [["", "", s.choice, s.old, s.new, _short(s.value), f"{s.change:+.4g}"] for s in one.steps]
        rows.append(
            ["", "", "new", "", _profile(one.new), _short(one.new.value), f"{one.new.value - one.old.value:+.4g}"]
        )
    return ["cell", "metric", "changed", "from", "to", "value", "change"], rows


def _profile(score: Score) -> str:
    return measure("", score.protocol)[1].partition("/")[2]


def _short(value: float) -> str:
    return f"{value:,.5g}"


def explanation_record(found: Sequence[Explained]) -> dict[str, Any]:
    """The explanation as JSON data, version 1."""
    return {"format": "ivbench-explanation", "version": 1, "metrics": [_record(one) for one in found]}


def _record(one: Explained) -> dict[str, Any]:
    sides = {
        name: {"label": score.label, "protocol": score.protocol, "value": score.value}
        for name, score in (("old", one.old), ("new", one.new))
    }
    steps = [
        {**vars(step), "fields": {name: list(values) for name, values in step.fields.items()}} for step in one.steps
    ]
    return {"cell": one.cell, "metric": one.new.metric, **sides, "steps": steps}
