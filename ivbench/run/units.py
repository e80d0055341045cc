"""Units: the pieces of a plan's work that a worker can do alone, given the store; and what it reports of one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

__all__ = ["Done", "Kind", "ModelKey", "RunUnits", "Unit", "model_in_words"]

Kind = Literal["load", "encode", "input", "sample", "extract", "reference", "truth", "score"]
ModelKey = tuple[str, ...]
"""What a unit needs in memory: ("stage", weights, name), ("generator",), ("text",), ("extractor", name), or ()."""


@dataclass(frozen=True)
class Unit:
    """One piece of work. It reads and writes the store by id, so only names travel between processes.

    Attributes:
        kind: a kind of task; load (a model, so that a wrong file is found early); reference (features of real clips);
            truth (what the scores of a metric share).
        key: the task's id; another unique name where the unit is no task.
        model: what has to be in memory.
        after: keys of units that must be over before it starts.
        cells: ids of the cells that wait for it; none: the run as a whole does.
        place: where its result stands in a cell; of two failures of a cell, the one at the smaller place is told.
        amount: of progress, in the step's own unit.
    """

    kind: Kind
    key: str
    model: ModelKey = ()
    after: tuple[str, ...] = ()
    cells: tuple[str, ...] = ()
    place: tuple[int, ...] = ()
    amount: float = 0.0

    def __str__(self) -> str:
        what = f"{self.kind} {self.key[:12]}" if self.kind != "load" else "load"
        return f"{what} ({model_in_words(self.model)})" if self.model else what


@dataclass(frozen=True)
class Done:
    """What a worker says of a finished unit.

    Attributes:
        problem: why its result is not finite; empty where it is.
        computed: ids of the store's entries that were computed and not found.
        lines: to be shown.
        loaded: the models that the worker holds now.
    """

    problem: str = ""
    computed: tuple[str, ...] = ()
    lines: tuple[str, ...] = ()
    loaded: frozenset[ModelKey] = frozenset()


RunUnits = Callable[[str, Sequence[Unit]], Mapping[str, str]]
"""(name of the step, units) -> unit key -> why it failed."""


def model_in_words(model: ModelKey) -> str:
    """A model as messages name it: `stage base`, `stage base of other`, `extractor fvd-probe`, `text encoder`."""
    if model[0] == "stage":
        return f"stage {model[2]}" if model[1] == "original" else f"stage {model[2]} of {model[1]}"
    if model[0] == "extractor":
        return f"extractor {model[1]}"
    return "generator" if model[0] == "generator" else "text encoder"
