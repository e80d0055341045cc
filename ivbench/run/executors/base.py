"""The door to executors, and what a user may ask of one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Protocol

from ivbench.errors import ConfigError
from ivbench.run.units import Done, Unit
from ivbench.run.worker import Worker

__all__ = ["Executor", "Heard", "Resources", "Wanted"]

Wanted = Callable[[Unit], bool]
"""Asked once of a unit, right before it would start: whether anything still waits for it."""
Heard = Callable[[Unit, Done], None]
"""Told once of every unit that was done."""


@dataclass(frozen=True)
class Resources:
    """Where workers are started, and what each may use. None: the executor's own choice.

    Attributes:
        address: of a running cluster.
        workers: how many.
        cpus_per_worker: CPUs that a worker reserves, and the threads that it computes with.
        gpus_per_worker: GPUs that a worker reserves; a fraction shares one.
        retries: how many more times a unit is tried after the worker that did it was lost.
    """

    address: str | None = None
    workers: int | None = None
    cpus_per_worker: int | None = None
    gpus_per_worker: float | None = None
    retries: int | None = None

    def __post_init__(self) -> None:
        for name, least in (("workers", 1), ("cpus_per_worker", 1), ("gpus_per_worker", 0), ("retries", 0)):
            value = getattr(self, name)
            if value is not None and not least <= value < float("inf"):
                raise ConfigError(f"--{name.replace('_', '-')} is {value}. Allowed: {least} or more.")
        gpus = self.gpus_per_worker
        if gpus is not None and gpus > 1 and gpus != int(gpus):
            raise ConfigError(f"--gpus-per-worker is {gpus:g}. Allowed: a fraction below 1, or a whole number.")

    def given(self) -> list[str]:
        """The options that were set, as the command line writes them."""
        return [f"--{field.name.replace('_', '-')}" for field in fields(self) if getattr(self, field.name) is not None]


class Executor(Protocol):
    """Runs units, in this process or elsewhere. The results are the same; only the time differs."""

    def run(self, worker: Worker, units: Sequence[Unit], wanted: Wanted, heard: Heard) -> None:
        """Do units, each after the units that it stands on are over: done, or not wanted.

        Args:
            worker: of this process; others get the plan, the store's folder and the models' names from its job.
            units: in an order in which each comes after what it stands on.
            wanted: one that is not wanted is left out.
            heard: told of each that was done.

        Raises:
            IvbenchError: what a worker raised, or no worker can be had.
        """

    def close(self) -> None:
        """End the workers. A later `run` starts new ones."""
