"""Inline execution beside another process on the same store: it goes ahead with what nobody is at."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ivbench.results.store import Store
from ivbench.run.executors.inline import InlineExecutor
from ivbench.run.units import Done, Unit
from tests.holders import held_by_another

UNITS = [
    Unit("sample", "base-1"),
    Unit("sample", "ssr-1", after=("base-1",)),
    Unit("sample", "base-2"),
    Unit("sample", "ssr-2", after=("base-2",)),
]


class Busy:
    """A store of which another process holds some entries; `do` may end that."""

    def __init__(self, *held: str) -> None:
        self.held = set(held)
        self.done: list[str] = []
        self.after: Callable[[str], None] = lambda key: None

    def held_elsewhere(self, key: str) -> bool:
        return key in self.held

    def do(self, unit: Unit) -> Done:
        self.done.append(unit.key)
        self.held.discard(unit.key)  # a held one is waited for
        self.after(unit.key)
        return Done()


def order(busy: Busy, wanted: Callable[[Unit], bool] = lambda unit: True) -> list[str]:
    worker: Any = SimpleNamespace(job=SimpleNamespace(store=busy), do=busy.do)
    heard: list[str] = []
    InlineExecutor().run(worker, UNITS, wanted, lambda unit, done: heard.append(unit.key))
    assert heard == busy.done
    return heard


def test_alone_units_are_done_in_their_order() -> None:
    assert order(Busy()) == [unit.key for unit in UNITS]


def test_what_another_process_is_at_comes_later_with_what_stands_on_it() -> None:
    assert order(Busy("base-1")) == ["base-2", "ssr-2", "base-1", "ssr-1"]


def test_where_all_is_held_the_first_is_waited_for() -> None:
    assert order(Busy("base-1", "base-2")) == ["base-1", "ssr-1", "base-2", "ssr-2"]


def test_what_the_other_has_finished_by_then_is_taken() -> None:
    busy = Busy("base-1", "ssr-2")

    def finish(key: str) -> None:
        busy.held.clear()

    busy.after = finish
    assert order(busy) == ["base-2", "ssr-2", "base-1", "ssr-1"]


@pytest.mark.parametrize("held", [(), ("base-1",)])
def test_units_that_nobody_wants_are_left_out(held: tuple[str, ...]) -> None:
    assert "base-1" not in order(Busy(*held), lambda unit: unit.key != "base-1")


def test_a_held_entry_is_done_once_its_holder_ends(tmp_path: Path) -> None:
    """With a real store and a real process; see `test_crashes` for whole runs."""
    store, ids = Store(tmp_path), [f"{number:064x}" for number in (1, 2)]
    done: list[str] = []
    with held_by_another(tmp_path, ids[0]) as release:

        def do(unit: Unit) -> Done:
            done.append(unit.key)
            release()
            with store.lock(unit.key):
                return Done()

        worker: Any = SimpleNamespace(job=SimpleNamespace(store=store), do=do)
        units = [Unit("sample", key) for key in ids]
        InlineExecutor().run(worker, units, lambda unit: True, lambda unit, found: None)
    assert done == ids[::-1]
