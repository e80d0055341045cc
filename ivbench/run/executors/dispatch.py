"""Which worker does which unit next: order, loaded models, lost workers. Knows no cluster; a pool has the workers."""

from __future__ import annotations

import heapq
import math
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
_POLL = 0.25


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
    """What is known of a worker: its models, the unit that it does and since when, and the model that it used last."""

    ready: bool = False
    loaded: frozenset[ModelKey] = frozenset()
    unit: Unit | None = None
    since: float = 0.0
    last: ModelKey = ()

    def holds(self, model: ModelKey) -> bool:
        """Whether it has a model, or loads it now."""
        return not model or model in self.loaded or (self.unit is not None and self.unit.model == model)


class Dispatcher:
    """Keeps workers busy, each with units of the models that it holds where there are such.

    A worker without such units loads another model, unless those that hold it would be through with its units sooner.
    A lost worker's unit is done again by another, and a new worker is asked for; where memory ran out, in a batch of
    half as many videos, down to one.

    Args:
        pool: of workers.
        size: how many of them are wanted.
        retries: how many more times a unit is tried after a loss; one that ends in a smaller batch is not counted.
        say: shows a line.
        clock: seconds.
    """

    def __init__(
        self,
        pool: Pool,
        size: int,
        retries: int,
        say: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._pool, self._size, self._retries, self._say, self._clock = pool, size, retries, say, clock
        self._workers: dict[int, _State] = {}
        self._tries: Counter[str] = Counter()
        self._losses: Counter[str] = Counter()
        self._starts_lost = 0
        self._batch: dict[str, int] = {}
        self._pace = _Pace()
        self._seen = clock()

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
                state.unit, state.since = unit, self._clock()
                self._pool.give(number, unit, self._batch.get(unit.key))

    def _choice(self, queue: _Queue, state: _State) -> ModelKey | None:
        """The model whose units a worker does next: the last one, one that it holds, or the one that pays most."""
        waiting = queue.waiting()
        if state.last in waiting:
            return state.last
        held = [model for model in waiting if state.holds(model)]
        if held:
            return held[0]
        pays = {model: self._pays(queue, model) for model in waiting}
        best = max(pays, key=lambda model: pays[model], default=None)
        return best if best is not None and pays[best] >= 0 else None

    def _pays(self, queue: _Queue, model: ModelKey) -> float:
        """Seconds in which the holders of a model get through its units, beyond those of loading it once more."""
        holders = [state for state in self._workers.values() if state.holds(model)]
        if not holders:
            return math.inf
        now = self._clock()
        at_work = [now - state.since for state in holders if state.unit is not None and state.unit.model == model]
        unit = self._pace.unit(model, max(at_work, default=0.0))
        return queue.remaining[model] * unit / len(holders) - self._pace.load.get(model, 0.0)

    def _take(self, event: Event, queue: _Queue, heard: Heard) -> None:
        state = self._workers[event.worker]
        if isinstance(event, Lost):
            del self._workers[event.worker]
            self._lose(event, state, queue)
            return
        self._starts_lost = 0
        state.ready, unit = True, state.unit
        if isinstance(event, Finished) and unit is not None:
            self._pace.learn(unit, self._clock() - state.since, had=unit.model in state.loaded)
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
        self._tries[unit.key] += 1
        batch = self._batch.get(unit.key, BLOCK)
        if event.out_of_memory and batch > 1:
            self._batch[unit.key] = batch // 2
        else:
            self._losses[unit.key] += 1
        if self._losses[unit.key] > self._retries:
            raise ExecutorError(
                f"{unit} was tried {self._tries[unit.key]} times, and its worker was lost each time. The last: "
                f"{event.why} What was finished is kept; the same command goes on from there."
            )
        self._say(f"a worker was lost ({event.why}); {unit} is done again")
        queue.put_back(unit)

    def _watch(self) -> None:
        """Say so where there has been no worker for a while."""
        now = self._clock()
        if any(state.ready for state in self._workers.values()):
            self._seen = now
        elif now - self._seen > _PATIENCE:
            self._seen = now
            self._say("no worker yet: the cluster has no room. Waiting; interrupt, and the same command goes on later")


class _Pace:
    """How long models take to load, and their units to do, as far as was seen."""

    def __init__(self) -> None:
        self.load: dict[ModelKey, float] = {}
        self._seconds: defaultdict[ModelKey, float] = defaultdict(float)
        self._count: Counter[ModelKey] = Counter()

    def learn(self, unit: Unit, seconds: float, had: bool) -> None:
        if unit.kind == "load":
            self.load[unit.model] = seconds
        elif had:
            self._seconds[unit.model] += seconds
            self._count[unit.model] += 1

    def unit(self, model: ModelKey, so_far: float) -> float:
        """Seconds of a unit: the mean, or before the first one's end what it took so far."""
        return self._seconds[model] / self._count[model] if self._count[model] else so_far


class _Queue:
    """Units that wait, by model and in their order, and what each waits for.

    `left` counts those that are not over, `remaining` those of each model that were not begun, ready or not.
    """

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
        self.remaining = Counter(unit.model for unit in units)
        for unit in units:
            if not self._open[unit.key]:
                self._open_up(unit)

    def waiting(self) -> dict[ModelKey, int]:
        """The number of units of each model that could start now; the model of the earliest first."""
        heaps = sorted((heap[0], model) for model, heap in self._heaps.items() if heap)
        return {model: len(self._heaps[model]) for _, model in heaps}

    def pop(self, model: ModelKey | None) -> Unit | None:
        """The earliest of a model's units that could start."""
        if model is None:
            return None
        self.remaining[model] -= 1
        return self._units[heapq.heappop(self._heaps[model])]

    def put_back(self, unit: Unit) -> None:
        """One must be done again."""
        self.remaining[unit.model] += 1
        self._open_up(unit)

    def _open_up(self, unit: Unit) -> None:
        heapq.heappush(self._heaps[unit.model], self._order[unit.key])

    def finish(self, unit: Unit) -> None:
        """One is over; those that waited for it alone can start."""
        self.left -= 1
        for later in self._next[unit.key]:
            self._open[later.key].discard(unit.key)
            if not self._open[later.key]:
                self._open_up(later)
