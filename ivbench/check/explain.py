"""From one number to another, one choice of the protocol at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ivbench.check.walk import Side, Step, walk
from ivbench.errors import ConfigError
from ivbench.metrics.protocol import measure
from ivbench.results.schema import Score

__all__ = ["Explained", "explain", "explanation_record", "explanation_rows"]


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


def explain(old: Sequence[Side], new: Sequence[Side]) -> list[Explained]:
    """Walk from every number of OLD to that of NEW, one choice at a time. Nothing is sampled.

    A choice that needs videos which the store lacks waits until others have been changed; those that are left at the
    end are changed together. A choice of the profile that cannot be changed alone is changed with those that it needs.
    What a step changes depends on those before it: their order is fixed.

    Args:
        old, new: the numbers of two results files.

    Raises:
        ConfigError: the files share no metric of a cell.
    """
    found, later = [], list(new)
    for before in old:
        after = _counterpart(before, [one for one in later if one.cell == before.cell])
        if after is not None:
            later.remove(after)
            found.append(Explained(before.cell, before.score, after.score, tuple(walk(before, after))))
    if not found:
        cells = (", ".join(f'"{cell}"' for cell in dict.fromkeys(side.cell for side in sides)) for sides in (old, new))
        raise ConfigError("the files share no metric of a cell: old has {}, new has {}.".format(*cells))
    return found


def _counterpart(side: Side, others: list[Side]) -> Side | None:
    """The same metric of the other file, with the same extractor and profile where it has such."""

    def likeness(other: Side) -> int:
        ours, theirs = side.choices, other.choices
        return sum((ours["extractor"] == theirs["extractor"], ours["profile"].name == theirs["profile"].name))

    return max((other for other in others if other.score.metric == side.score.metric), key=likeness, default=None)


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
