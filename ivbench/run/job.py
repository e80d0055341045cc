"""A plan in execution: its store, models and reporter, what was computed, and which cells stopped and why."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain
from typing import Any, Protocol, TypeVar

from numpy.typing import NDArray
from pydantic import ValidationError

from ivbench.plan import Plan
from ivbench.results.schema import Environment
from ivbench.results.store import Store
from ivbench.run.environment import describe_environment
from ivbench.run.models import Models
from ivbench.run.progress import Reporter

__all__ = ["Arrays", "Entry", "Job"]

Arrays = Mapping[str, NDArray[Any]]


class _HasId(Protocol):
    @property
    def id(self) -> str:
        """Of the task."""


Task = TypeVar("Task", bound=_HasId)


@dataclass(frozen=True, eq=False)
class Entry:
    """What the store keeps under an id.

    Attributes:
        arrays: name -> array.
        about: plain JSON data beside them.
    """

    arrays: Arrays
    about: Mapping[str, Any] = field(default_factory=dict)


@dataclass(eq=False)
class Job:
    """What every step of a run works with, and what it leaves word of.

    Attributes:
        plan: what to do.
        store: where results go and come from.
        models: cascade and extractors.
        reporter: told of progress.
        computed: ids of the entries that were computed and not found.
        problems: cell id -> why it stopped: NaN or infinity stop their cells, not the others.
    """

    plan: Plan
    store: Store
    models: Models
    reporter: Reporter
    computed: list[str] = field(default_factory=list)
    problems: dict[str, str] = field(default_factory=dict)

    @cached_property
    def environment(self) -> Environment:
        """Where this job runs."""
        return describe_environment(self.plan.execution, self.plan.source.adapter)

    def kept(self, entry_id: str, kind: str, make: Callable[[], Entry]) -> Entry:
        """An entry from the store, else made and kept; of two processes that ask at once, one makes it.

        Args:
            entry_id: 64 hexadecimal digits over everything that decides the entry.
            kind: written beside it, with where and in how many seconds it was made.
            make: computes it.
        """
        found = self._found(entry_id)
        if found is not None:
            return found
        with self.store.lock(entry_id):
            found = self._found(entry_id)
            if found is not None:
                return found
            started = time.perf_counter()
            made = make()
            seconds = time.perf_counter() - started
            where = self.environment.model_dump(mode="json")
            self.store.put(
                entry_id, made.arrays, {**made.about, "kind": kind, "seconds": seconds, "environment": where}
            )
            self.computed.append(entry_id)
            return made

    def missing(self, tasks: Iterable[Task]) -> list[Task]:
        """The tasks whose results the store lacks."""
        return [task for task in tasks if not self.store.has(task.id)]

    def stop(self, cells: Iterable[str], why: str) -> None:
        """Stop cells; the first reason stays."""
        for cell in cells:
            self.problems.setdefault(cell, why)

    def stopped(self, cells: Iterable[str]) -> bool:
        """Whether all of these cells have stopped, so that nobody waits for what they share."""
        return self.problems.keys() >= set(cells)

    def problem(self, cell: str) -> str:
        """Why a cell stopped and how many of its videos were made; empty where it did not."""
        if cell not in self.problems:
            return ""
        finals = self.plan.final_samples(cell)
        made = sum(len(task.prompts) for task in finals if self.store.has(task.id))
        return f"{self.problems[cell]} {made} of {sum(len(task.prompts) for task in finals)} videos were made."

    def environments(self) -> list[Environment]:
        """This environment, then the others in which results of the plan were computed; commits are not told apart."""
        found, plan = [self.environment], self.plan
        graph: tuple[Iterable[_HasId], ...] = (plan.encode, plan.sample, plan.extract, plan.score)
        for task in chain.from_iterable(graph):
            about = self.store.manifest(task.id) if self.store.has(task.id) else None
            if about is not None and "environment" in about:
                where = _known(about["environment"])
                if where is not None and all(_place(where) != _place(other) for other in found):
                    found.append(where)
        return found

    def _found(self, entry_id: str) -> Entry | None:
        arrays = self.store.get(entry_id)
        about = None if arrays is None else self.store.manifest(entry_id)
        return None if arrays is None or about is None else Entry(arrays, about)


def _known(recorded: Any) -> Environment | None:
    """An environment as an entry recorded it; None where another version of ivbench wrote other fields."""
    try:
        return Environment.model_validate(recorded)
    except ValidationError:
        return None


def _place(environment: Environment) -> Environment:
    return environment.model_copy(update={"git": ""})
