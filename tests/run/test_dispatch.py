"""Which worker does which unit, by claim, on pools whose workers finish and die as the test says."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivbench.errors import ConfigError, ExecutorError
from ivbench.run import Executor, Resources, Silent
from ivbench.run.executors.base import Heard, Wanted
from ivbench.run.executors.dispatch import Dispatcher, Event, Finished, Lost, Ready
from ivbench.run.executors.inline import InlineExecutor
from ivbench.run.unit_runner import UnitRunner
from ivbench.run.units import Done, ModelKey, Unit


class FakePool:
    """Workers that take one step an event; `dies` says whether a unit's worker is lost this time."""

    def __init__(self, chance: random.Random, dies: Callable[[Unit], Lost | None] = lambda unit: None) -> None:
        self.chance, self.dies = chance, dies
        self.starting: list[int] = []
        self.idle: set[int] = set()
        self.busy: dict[int, Unit] = {}
        self.loaded: dict[int, set[ModelKey]] = {}
        self.given: list[tuple[int, Unit, int | None]] = []
        self.started = 0
        self.before_events: Callable[[], None] = lambda: None
        self.now = 0.0
        self.seconds: Callable[[Unit, bool], float] = lambda unit, loaded: 1.0

    def clock(self) -> float:
        return self.now

    def start(self) -> int:
        self.started += 1
        self.starting.append(self.started)
        self.loaded[self.started] = set()
        return self.started

    def give(self, worker: int, unit: Unit, batch: int | None) -> None:
        assert worker in self.idle
        self.idle.discard(worker)
        self.busy[worker] = unit
        self.given.append((worker, unit, batch))

    def events(self, timeout: float) -> list[Event]:
        self.before_events()
        worker = self.chance.choice([*self.starting, *self.busy])
        if worker in self.starting:
            self.starting.remove(worker)
            self.idle.add(worker)
            return [Ready(worker)]
        unit = self.busy.pop(worker)
        self.now += self.seconds(unit, unit.model in self.loaded[worker])
        lost = self.dies(unit)
        if lost is not None:
            return [Lost(worker, lost.why, lost.out_of_memory)]
        self.idle.add(worker)
        self.loaded[worker].add(unit.model)
        return [Finished(worker, Done(loaded=frozenset(self.loaded[worker])))]


def everything(unit: Unit) -> bool:
    return True


def unit(key: str, model: str = "", after: tuple[str, ...] = ()) -> Unit:
    return Unit("sample", key, ("stage", "original", model) if model else (), after)


@st.composite
def graphs(draw: st.DrawFn) -> list[Unit]:
    units: list[Unit] = []
    for number in range(draw(st.integers(1, 25))):
        before = draw(st.sets(st.sampled_from([u.key for u in units]), max_size=2)) if units else set()
        model = draw(st.sampled_from(["", "base", "tsr1", "ssr1"]))
        units.append(unit(f"u{number}", model, (*sorted(before), "in the store")))
    return units


@given(graphs(), st.integers(1, 4), st.randoms(use_true_random=False), st.floats(0, 0.4))
def test_every_unit_is_done_once_in_order_and_nobody_is_idle(
    units: list[Unit], size: int, chance: random.Random, deaths: float
) -> None:
    pool = FakePool(chance, lambda unit: Lost(0, "gone") if chance.random() < deaths else None)
    done: list[str] = []
    keys = {unit.key for unit in units}

    def startable() -> set[str]:
        taken = {*done, *(unit.key for unit in pool.busy.values())}
        return {u.key for u in units if u.key not in taken and all(k in done for k in u.after if k in keys)}

    def look() -> None:
        assert not (pool.idle and startable())
        assert len(pool.starting) + len(pool.idle) + len(pool.busy) <= size

    pool.before_events = look
    dispatcher = Dispatcher(pool, size, 10_000, lambda line: None)
    dispatcher.run(units, everything, lambda unit, _: done.append(unit.key))
    assert Counter(done) == Counter(keys)
    for one in units:
        assert all(done.index(key) < done.index(one.key) for key in one.after if key in keys)


@given(st.randoms(use_true_random=False))
def test_a_worker_keeps_to_its_model_while_there_is_such_work(chance: random.Random) -> None:
    pool = FakePool(chance)
    dispatcher = Dispatcher(pool, 2, 3, lambda line: None)
    load = [unit("load base", "base"), unit("load ssr1", "ssr1")]
    dispatcher.run(load, everything, lambda unit, done: None)
    pool.given.clear()
    units = [unit(f"{model}{i}", model) for i in range(12) for model in ("base", "ssr1")]
    dispatcher.run(units, everything, lambda unit, done: None)
    for worker in (1, 2):
        own = [given.model for number, given, _ in pool.given if number == worker]
        changes = sum(a != b for a, b in pairwise(own))
        assert changes <= 1
    assert pool.started <= 2


@pytest.mark.parametrize(("seconds", "takes_part"), [(0.1, False), (4.0, True)])
def test_a_model_is_loaded_once_more_where_that_is_sooner_done(seconds: float, takes_part: bool) -> None:
    """Ten units wait; loading takes ten seconds."""
    pool = FakePool(random.Random(0))
    pool.seconds = lambda unit, loaded: seconds if loaded else 10.0
    dispatcher = Dispatcher(pool, 2, 3, lambda line: None, pool.clock)
    load = [Unit("load", f"load {name}", unit("", name).model) for name in ("text", "base")]
    dispatcher.run(load, everything, lambda unit, done: None)
    pool.given.clear()
    dispatcher.run([unit(f"u{i}", "text") for i in range(10)], everything, lambda unit, done: None)
    assert len({worker for worker, _, _ in pool.given}) == 1 + takes_part


def test_a_unit_that_is_not_wanted_is_left_out_and_what_waits_for_it_asked_for() -> None:
    pool, asked = FakePool(random.Random(0)), []

    def wanted(unit: Unit) -> bool:
        asked.append(unit.key)
        return unit.key != "a"

    Dispatcher(pool, 1, 3, lambda line: None).run([unit("a"), unit("b", after=("a",))], wanted, lambda unit, done: None)
    assert asked == ["a", "b"]
    assert [given.key for _, given, _ in pool.given] == ["b"]


def test_a_unit_whose_workers_are_always_lost_ends_the_run_with_one_line() -> None:
    lines: list[str] = []
    pool = FakePool(random.Random(0), lambda unit: Lost(0, "its node has died") if unit.key == "bad" else None)
    dispatcher = Dispatcher(pool, 2, 2, lines.append)
    with pytest.raises(ExecutorError, match=r"sample bad \(stage base\) was tried 3 times.*its node has died"):
        dispatcher.run([unit("good", "base"), unit("bad", "base")], everything, lambda unit, done: None)
    assert lines == ["a worker was lost (its node has died); sample bad (stage base) is done again"] * 2


def test_workers_that_are_lost_as_they_start_end_the_run() -> None:
    class Stillborn(FakePool):
        def events(self, timeout: float) -> list[Event]:
            return [Lost(self.starting.pop(), "no python there")]

    with pytest.raises(ExecutorError, match=r"3 workers were lost as they started.*no python there"):
        Dispatcher(Stillborn(random.Random(0)), 1, 2, lambda line: None).run(
            [unit("a")], everything, lambda unit, done: None
        )


def test_a_worker_that_ran_out_of_memory_has_its_unit_done_in_smaller_batches() -> None:
    deaths = iter([True, True, False])
    pool = FakePool(random.Random(0), lambda unit: Lost(0, "no memory", True) if next(deaths) else None)
    Dispatcher(pool, 1, 3, lambda line: None).run([unit("a")], everything, lambda unit, done: None)
    assert [batch for _, _, batch in pool.given] == [None, 8, 4]


@pytest.mark.parametrize("retries", [0, 3])
def test_smaller_batches_go_down_to_one_video_and_retries_count_only_then(retries: int) -> None:
    pool = FakePool(random.Random(0), lambda unit: Lost(0, "no memory.", True))
    tries = 5 + retries
    with pytest.raises(ExecutorError, match=f"sample a was tried {tries} times"):
        Dispatcher(pool, 1, retries, lambda line: None).run([unit("a")], everything, lambda unit, done: None)
    assert [batch for _, _, batch in pool.given] == [None, 8, 4, 2, 1] + [1] * retries


def test_a_worker_lost_for_another_reason_keeps_the_batch() -> None:
    deaths = iter([True, False])
    pool = FakePool(random.Random(0), lambda unit: Lost(0, "killed") if next(deaths) else None)
    Dispatcher(pool, 1, 3, lambda line: None).run([unit("a")], everything, lambda unit, done: None)
    assert [batch for _, _, batch in pool.given] == [None, None]


@pytest.mark.parametrize(
    "wrong",
    [{"workers": 0}, {"cpus_per_worker": 0}, {"gpus_per_worker": -1.0}, {"gpus_per_worker": 1.5}, {"retries": -1}],
)
def test_impossible_resources_are_refused_by_the_options_name(wrong: dict[str, float]) -> None:
    name = "--" + next(iter(wrong)).replace("_", "-")
    with pytest.raises(ConfigError, match=f"{name} is .* Allowed: "):
        Resources(**wrong)  # type: ignore[arg-type] # one of them


def test_inline_has_no_workers_to_choose() -> None:
    with pytest.raises(ConfigError, match=r"--workers is for workers.*--executor ray"):
        InlineExecutor(Resources(workers=2))


class AnyOrder:
    """An executor whose workers are as many and as fast as chance will have it."""

    def __init__(self, chance: random.Random, broken: dict[str, str]) -> None:
        self.chance, self.broken = chance, broken

    def run(self, worker: Any, units: Sequence[Unit], wanted: Wanted, heard: Heard) -> None:
        keys, over, left, busy = {unit.key for unit in units}, set(), list(units), list[Unit]()
        while left or busy:
            open_ = [unit for unit in left if all(key in over for key in unit.after if key in keys)]
            if open_ and (not busy or self.chance.random() < 0.5):
                one = self.chance.choice(open_)
                left.remove(one)
                if wanted(one):
                    busy.append(one)
                else:
                    over.add(one.key)
            else:
                one = busy.pop(self.chance.randrange(len(busy)))
                heard(one, Done(self.broken.get(one.key, "")))
                over.add(one.key)

    def close(self) -> None:
        pass


def failures(executor: Executor, units: Sequence[Unit]) -> dict[str, str]:
    """Cell -> the reason of its first failed final, as the steps tell it."""
    worker: Any = SimpleNamespace(job=SimpleNamespace(reporter=Silent()))
    failed = UnitRunner(worker, executor).run("sampling", units)
    told: dict[str, str] = {}
    for unit in units:
        for cell in unit.cells if unit.key in failed and unit.key.startswith("final") else ():
            told.setdefault(cell, failed[unit.key])
    return told


@given(st.randoms(use_true_random=False), st.sets(st.integers(0, 23), max_size=6))
def test_a_cell_stops_for_the_same_reason_in_every_order_of_work(chance: random.Random, where: set[int]) -> None:
    """Two cells share the first stage of eight blocks; each has a second stage of its own."""
    units = []
    for place in range(8):
        units.append(Unit("sample", f"base {place}", cells=("a", "b"), place=(place,)))
        for cell in ("a", "b"):
            key = f"final {cell} {place}"
            units.append(Unit("sample", key, after=(f"base {place}",), cells=(cell,), place=(place,)))
    broken = {units[index].key: f"NaN in {units[index].key}" for index in where}
    in_order = InOrder(broken)
    assert failures(AnyOrder(chance, broken), units) == failures(in_order, units)


class InOrder(AnyOrder):
    """One unit after the other, as inline."""

    def __init__(self, broken: dict[str, str]) -> None:
        super().__init__(random.Random(0), broken)

    def run(self, worker: Any, units: Sequence[Unit], wanted: Wanted, heard: Heard) -> None:
        for unit in units:
            if wanted(unit):
                heard(unit, Done(self.broken.get(unit.key, "")))
