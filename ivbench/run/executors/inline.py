"""Inline: one unit after the other in this process."""

from __future__ import annotations

from collections.abc import Sequence

from ivbench.errors import ConfigError
from ivbench.run.executors.base import Heard, Resources, Wanted
from ivbench.run.units import Unit
from ivbench.run.worker import Worker

__all__ = ["InlineExecutor"]


class InlineExecutor:
    """Runs units here.

    Args:
        resources: none can be asked for; this process has what it has.

    Raises:
        ConfigError: something was asked for.
    """

    def __init__(self, resources: Resources = Resources()) -> None:  # noqa: B008 - frozen
        given = resources.given()
        if given:
            raise ConfigError(f"{given[0]} is for workers, and --executor inline has none. Add: --executor ray")

    def run(self, worker: Worker, units: Sequence[Unit], wanted: Wanted, heard: Heard) -> None:
        """Do units in their order; those that another process is at come later, with what stands on them.

        So two runs on one store go ahead side by side, and take from each other what is done.
        """
        waiting = list(units)
        while waiting:
            postponed: dict[str, Unit] = {}
            for unit in waiting:
                behind = not postponed.keys().isdisjoint(unit.after)
                if behind or worker.job.store.held_elsewhere(unit.key):
                    postponed[unit.key] = unit
                elif wanted(unit):
                    heard(unit, worker.do(unit))
            if len(postponed) == len(waiting):  # others are at all that could be done: wait for the first
                first = postponed.pop(waiting[0].key)
                if wanted(first):
                    heard(first, worker.do(first))
            waiting = list(postponed.values())

    def close(self) -> None:
        """Nothing to end."""
