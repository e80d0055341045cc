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
        """Do units in their order."""
        for unit in units:
            if wanted(unit):
                heard(unit, worker.do(unit))

    def close(self) -> None:
        """Nothing to end."""
