"""Workers as Ray actors."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import count
from typing import Any

import ray
from ray.exceptions import OutOfMemoryError, RayActorError

from ivbench.run.executors.dispatch import Event, Finished, Lost, Ready
from ivbench.run.executors.ray_worker import Answer, Order, RayWorker
from ivbench.run.units import Unit

__all__ = ["RayPool"]


class RayPool:
    """Actors on a connected cluster, spread over its nodes.

    Args:
        order: what they need to know.
        cpus, gpus: that each reserves.
        environment: variables of their processes.
    """

    def __init__(self, order: Order, cpus: int, gpus: float, environment: Mapping[str, str]) -> None:
        options = {"num_cpus": cpus, "num_gpus": gpus, "max_restarts": 0, "scheduling_strategy": "SPREAD"}
        self._actor = ray.remote(RayWorker).options(**options, runtime_env={"env_vars": dict(environment)})
        self._order, self._numbers = ray.put(order), count()
        self._actors: dict[int, Any] = {}
        self._calls: dict[Any, tuple[int, bool]] = {}

    def start(self) -> int:
        """Ask for an actor; Ray starts it where there is room."""
        number = next(self._numbers)
        self._actors[number] = self._actor.remote(self._order)
        self._calls[self._actors[number].ready.remote()] = number, True
        return number

    def give(self, worker: int, unit: Unit, batch: int | None) -> None:
        """Have an actor do a unit."""
        self._calls[self._actors[worker].do.remote(unit, batch)] = worker, False

    def events(self, timeout: float) -> list[Event]:
        """Answers, and losses; raises the error that a worker answered with."""
        calls = list(self._calls)
        ready, _ = ray.wait(calls, num_returns=1, timeout=timeout)
        more, _ = ray.wait(calls, num_returns=len(calls), timeout=0)
        return [self._event(call) for call in dict.fromkeys([*ready, *more])]

    def close(self) -> None:
        """End all actors."""
        for worker in list(self._actors):
            self._end(worker)
        self._calls = {}

    def _end(self, worker: int) -> None:
        ray.kill(self._actors.pop(worker))

    def _event(self, call: Any) -> Event:
        worker, starting = self._calls.pop(call)
        try:
            answer: Answer = ray.get(call)
        except (RayActorError, OutOfMemoryError) as error:
            self._end(worker)
            return Lost(worker, _in_a_line(error), out_of_memory=isinstance(error, OutOfMemoryError))
        if answer.error is not None:
            raise answer.error
        return Ready(worker) if starting else Finished(worker, answer.done)


def _in_a_line(error: Exception) -> str:
    """The first sentence of what Ray says of a lost worker; numbers of processes and advice follow it."""
    lines = [line.strip() for line in str(error).splitlines()] or [type(error).__name__]
    told = [line for line in lines if line.startswith("The actor")] or lines[:1]
    return told[-1].partition(". ")[0].rstrip(".")
