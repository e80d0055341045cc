"""From one number to another, one choice of the protocol at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ivbench.config import MetricConfig, digest
from ivbench.config.suite import ReferenceConfig
from ivbench.errors import ConfigError
from ivbench.metrics.protocol import differing_fields
from ivbench.plan import Plan, build_plan
from ivbench.results.schema import Results, Score

__all__ = ["Explained", "Rescore", "Step", "explain", "explanation_record", "explanation_rows"]

Rescore = Callable[[Plan, str], Score | None]
"""(a plan of one metric, a cell's id) -> its score from what the store has; None where it lacks videos of it."""

CHOICES = ("profile", "extractor", "reference", "samples_per_prompt", "seeds", "prompts", "videos")
"""In the order in which they are changed; videos: cascade, settings of the cell, stages and device."""
_SAME = 1e-9


@dataclass(frozen=True)
class Step:
    """One step on the way.

    Attributes:
        choice: what was changed; of several that could not be changed alone, all of them.
        old, new: its values, in words.
        value: the number after it.
        change: that number less the one before.
        fields: the protocol's fields that it changed: name -> (old, new).
    """

    choice: str
    old: str
    new: str
    value: float
    change: float
    fields: Mapping[str, tuple[Any, Any]]


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
class _Side:
    """How one file made one number."""

    plan: Plan
    config: MetricConfig
    cell: str
    score: Score

    @property
    def choices(self) -> dict[str, Any]:
        """Name -> value, of every choice."""
        suite = self.plan.suite
        return {
            "profile": self.config.profile,
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

    @property
    def videos(self) -> str:
        """Digest of what decides the videos beside prompts and seeds."""
        part, execution = self.plan.suite.stages, self.plan.execution
        return digest([self.cell, part.model_dump(mode="json"), execution.model_dump(mode="json")])

    def plan_with(self, choices: Mapping[str, Any]) -> Plan:
        """The plan of one metric under these choices, with the videos of this side."""
        suite, seeds = self.plan.suite, choices["seeds"]
        metric = MetricConfig(name=self.config.name, extractor=choices["extractor"], profile=choices["profile"])
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
    end are changed together. What a step changes depends on those before it: their order is fixed.

    Args:
        old, new: results files.
        old_plan, new_plan: the plans that they were made by.
        rescore: computes numbers between.

    Raises:
        ConfigError: the files share no metric of a cell.
    """
    found, later = [], list(_sides(new, new_plan))
    for before in _sides(old, old_plan):
        after = _counterpart(before, [one for one in later if one.label == before.label])
        if after is not None:
            later.remove(after)
            found.append(Explained(before.label, before.score, after.score, tuple(_walk(before, after, rescore))))
    if not found:
        cells = (", ".join(f'"{cell.label}"' for cell in results.cells) for results in (old, new))
        raise ConfigError("the files share no metric of a cell: old has {}, new has {}.".format(*cells))
    return found


def _sides(results: Results, plan: Plan) -> Iterator[_Side]:
    for planned, cell in zip(plan.cells, results.cells, strict=True):
        if cell.scores:
            for config, score in zip(plan.suite.metrics, cell.scores, strict=True):
                yield _Side(plan, config, planned.id, score)


def _counterpart(side: _Side, others: list[_Side]) -> _Side | None:
    """The same metric of the other file, with the same extractor and profile where it has such."""

    def likeness(other: _Side) -> int:
        pairs = (side.config.extractor, other.config.extractor), (side.config.profile, other.config.profile)
        return sum(ours == theirs for ours, theirs in pairs)

    return max((other for other in others if other.config.name == side.config.name), key=likeness, default=None)


def _walk(before: _Side, after: _Side, rescore: Rescore) -> Iterator[Step]:
    """The steps from one side to the other; the numbers at both ends are the recorded ones."""
    goal, choices = after.choices, before.choices
    pending = [name for name in CHOICES if _words(choices[name]) != _words(goal[name])]
    last, value = _rescored(choices, rescore), before.score.value
    if last is None:
        pending = list(pending) or ["videos"]
    elif not _near(last.value, value):
        yield _step("computed again", "recorded", "from the store", value, last.value, before.score, last)
        value = last.value
    while last is not None:
        name, found = _next(choices, goal, pending, rescore)
        if found is None:
            break
        yield _step(name, _words(choices[name]), _words(goal[name]), value, found.value, last, found)
        choices, value, last = {**choices, name: goal[name]}, found.value, found
        pending.remove(name)
    if pending:
        left, right = (", ".join(_words(side[name]) for name in pending) for side in (choices, goal))
        yield _step(", ".join(pending), left, right, value, after.score.value, last or before.score, after.score)
    elif not _near(value, after.score.value):
        yield _step("not explained", "from the store", "recorded", value, after.score.value, last, after.score)


def _next(
    choices: Mapping[str, Any], goal: Mapping[str, Any], pending: list[str], rescore: Rescore
) -> tuple[str, Score | None]:
    """The first choice that the store's videos allow to change alone, and the score after it."""
    for name in pending:
        found = _rescored({**choices, name: goal[name]}, rescore)
        if found is not None:
            return name, found
    return "", None


def _rescored(choices: Mapping[str, Any], rescore: Rescore) -> Score | None:
    side: _Side = choices["videos"]
    return rescore(side.plan_with(choices), side.cell)


def _step(choice: str, old: str, new: str, value: float, now: float, a: Score | None, b: Score) -> Step:
    return Step(choice, old, new, now, now - value, {} if a is None else differing_fields(a, b))


def _near(a: float, b: float) -> bool:
    return abs(a - b) <= _SAME * max(1.0, abs(a), abs(b))


def _words(value: Any) -> str:
    """A choice in words: equal choices, equal words."""
    match value:
        case _Side():
            return f"{value.plan.source.spec.name}, videos {value.videos[:8]}"
        case ReferenceConfig():
            return f"{value.count:,} clips of {value.source}, seed {value.seed}"
        case tuple() if value and isinstance(value[0], str):
            return f"{len(value):,} prompts {digest(list(value))[:8]}"
        case tuple():
            return " ".join(map(str, value))
    return str(value)


def explanation_rows(found: Sequence[Explained]) -> tuple[list[str], list[list[str]]]:
    """Headings, and a row a step; before the steps of a metric a row with the number of OLD."""
    rows = []
    for one in found:
        names = one.old.label if one.old.label == one.new.label else f"{one.old.label} / {one.new.label}"
        rows.append([one.cell, names, "old", "", "", _short(one.old.value), ""])
        rows += [["", "", s.choice, s.old, s.new, _short(s.value), f"{s.change:+.4g}"] for s in one.steps]
        rows.append(["", "", "new", "", "", _short(one.new.value), f"{one.new.value - one.old.value:+.4g}"])
    return ["cell", "metric", "changed", "from", "to", "value", "change"], rows


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
