"""Which worker does which unit next: order, loaded models, lost workers. Knows no cluster; a pool has the workers."""

from __future__ import annotations

import heapq
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from ivbench.errors import ExecutorError
from ivbench.plan.tasks import BLOCK
from ivbench.run.executors.base import Heard, Wanted
from ivbench.run.units import Done, ModelKey, Unit

__all__ = ["Dispatcher", "Event", "Finished", "Lost", "Pool", "Ready"]

_PATIENCE = 60.0
"""Seconds without any worker after which this is said."""
_POLL = 1.0


@dataclass(frozen=True)
class Ready:
    """A started worker can take units."""

    worker: int


@dataclass(frozen=True)
class Finished:
    """A worker did its unit."""

    worker: int
    done: Done


@dataclass(frozen=True)
class Lost:
    """A worker is gone, with the unit that it did.

    Attributes:
        worker: which.
        why: one line.
        out_of_memory: because its machine's memory ran out.
    """

    worker: int
    why: str
    out_of_memory: bool = False


Event = Ready | Finished | Lost


class Pool(Protocol):
    """Workers by number, somewhere."""

    def start(self) -> int:
        """Ask for a worker, and return its number; `Ready` follows when there is room for it."""

    def give(self, worker: int, unit: Unit, batch: int | None) -> None:
        """Have a worker do a unit with at most `batch` videos at once; `Finished` or `Lost` follows."""

    def events(self, timeout: float) -> list[Event]:
        """What has happened since; waits up to `timeout` seconds for the first.

        Raises:
            IvbenchError: what a worker raised.
        """


@dataclass
class _State:
    """What is known of a worker: its models, the unit that it does, and the model that it used last."""

    ready: bool = False
    loaded: frozenset[ModelKey] = frozenset()
    unit: Unit | None = None
    last: ModelKey = ()


class Dispatcher:
    """Keeps workers busy, each with units of the models that it holds where there are such.

    A lost worker's unit is done again by another, and a new worker is asked for.

    Args:
        pool: of workers.
        size: how many of them are wanted.
        retries: how many more times a unit is tried after a loss.
        say: shows a line.
    """

    def __init__(self, pool: Pool, size: int, retries: int, say: Callable[[str], None]) -> None:
        self._pool, self._size, self._retries, self._say = pool, size, retries, say
        self._workers: dict[int, _State] = {}
        self._losses: Counter[str] = Counter()
        self._starts_lost = 0
        self._batch: dict[str, int] = {}
        self._seen = time.monotonic()

    def run(self, units: Sequence[Unit], wanted: Wanted, heard: Heard) -> None:
        """Do units, as `Executor.run` says.

        Raises:
            ExecutorError: a unit's workers were lost more than `retries` times, or workers are lost as they start.
        """
        queue = _Queue(units)
        while queue.left:
            self._start(queue.left)
            self._give(queue, wanted)
            for event in self._pool.events(_POLL) if queue.left else ():
                self._take(event, queue, heard)
            self._watch()

    def _start(self, left: int) -> None:
        """As many workers as are wanted, and no more than there are units."""
        while len(self._workers) < min(self._size, left):
            self._workers[self._pool.start()] = _State()

    def _give(self, queue: _Queue, wanted: Wanted) -> None:
        for number, state in self._workers.items():
            while state.ready and state.unit is None and (unit := queue.pop(self._choice(queue, state))) is not None:
                if not wanted(unit):
                    queue.finish(unit)
                    continue
                state.unit = unit
                self._pool.give(number, unit, self._batch.get(unit.key))

    def _choice(self, queue: _Queue, state: _State) -> ModelKey | None:
        """The model whose units a worker does next: the last one, one that it holds, or the most wanted of others."""
        waiting = queue.waiting()
        if state.last in waiting:
            return state.last
        held = [model for model in waiting if model in state.loaded or not model]
        if held:
            return held[0]
        holders = Counter(model for other in self._workers.values() for model in other.loaded)
        return max(waiting, key=lambda model: waiting[model] / (1 + holders[model]), default=None)

    def _take(self, event: Event, queue: _Queue, heard: Heard) -> None:
        state = self._workers[event.worker]
        if isinstance(event, Lost):
            del self._workers[event.worker]
            self._lose(event, state, queue)
            return
        self._starts_lost = 0
        state.ready, unit = True, state.unit
        if isinstance(event, Finished) and unit is not None:
            state.unit, state.loaded, state.last = None, event.done.loaded, unit.model
            queue.finish(unit)
            heard(unit, event.done)

    def _lose(self, event: Lost, state: _State, queue: _Queue) -> None:
        unit = state.unit
        if unit is None:
            self._starts_lost += not state.ready
            if self._starts_lost > self._retries:
                raise ExecutorError(f"{self._starts_lost} workers were lost as they started. The last: {event.why}")
            return
        self._losses[unit.key] += 1
        if self._losses[unit.key] > self._retries:
            raise ExecutorError(
                f"{unit} was tried {self._losses[unit.key]} times, and its worker was lost each time. The last: "
                f"{event.why} What was finished is kept; the same command goes on from there."
            )
        if event.out_of_memory:
            self._batch[unit.key] = max(1, self._batch.get(unit.key, BLOCK) // 2)
        self._say(f"a worker was lost ({event.why}); {unit} is done again")
        queue.put_back(unit)

    def _watch(self) -> None:
        """Say so where there has been no worker for a while."""
        now = time.monotonic()
        if any(state.ready for state in self._workers.values()):
            self._seen = now
        elif now - self._seen > _PATIENCE:
            self._seen = now
            self._say("no worker yet: the cluster has no room. Waiting; interrupt, and the same command goes on later")


class _Queue:
    """Units that wait, by model and in their order, and what each waits for; `left` counts those that are not over."""

    def __init__(self, units: Sequence[Unit]) -> None:
        self._order = {unit.key: number for number, unit in enumerate(units)}
        self._units = list(units)
        self._open = {unit.key: {key for key in unit.after if key in self._order} for unit in units}
        self._next: dict[str, list[Unit]] = defaultdict(list)
        for unit in units:
            for key in self._open[unit.key]:
                self._next[key].append(unit)
        self._heaps: dict[ModelKey, list[int]] = defaultdict(list)
        self.left = len(units)
        for unit in units:
            if not self._open[unit.key]:
                self.put_back(unit)

    def waiting(self) -> dict[ModelKey, int]:
        """The number of units of each model that could start now; the model of the earliest first."""
        heaps = sorted((heap[0], model) for model, heap in self._heaps.items() if heap)
        return {model: len(self._heaps[model]) for _, model in heaps}

    def pop(self, model: ModelKey | None) -> Unit | None:
        """The earliest of a model's units that could start."""
        return None if model is None else self._units[heapq.heappop(self._heaps[model])]

    def put_back(self, unit: Unit) -> None:
        """One can start, or must be done again."""
        heapq.heappush(self._heaps[unit.model], self._order[unit.key])

    def finish(self, unit: Unit) -> None:
        """One is over; those that waited for it alone can start."""
        self.left -= 1
        for later in self._next[unit.key]:
            self._open[later.key].discard(unit.key)
            if not self._open[later.key]:
                self.put_back(later)
