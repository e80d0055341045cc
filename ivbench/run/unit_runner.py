"""Runs a step's units on an executor: progress, and what a failed unit means for those that wait for it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from ivbench.run.executors.base import Executor
from ivbench.run.progress import Phase
from ivbench.run.units import Done, ModelKey, Unit
from ivbench.run.worker import Worker

__all__ = ["UnitRunner"]


class UnitRunner:
    """What steps hand their units to.

    Args:
        worker: of this process.
        executor: where units run.
    """

    def __init__(self, worker: Worker, executor: Executor) -> None:
        self._worker, self._executor = worker, executor

    def load(self, models: Iterable[ModelKey]) -> None:
        """Load models, each somewhere, so that a wrong file is found before anything is sampled.

        Raises:
            IvbenchError: a file is missing, altered, holds NaN or does not fit.
        """
        units = [Unit("load", f"load {model}", model) for model in dict.fromkeys(models)]
        if units:
            self._executor.run(self._worker, units, lambda unit: True, lambda unit, done: None)

    def run(self, name: str, units: Sequence[Unit]) -> Mapping[str, str]:
        """Run a step's units.

        Args:
            name: of the step, for the display of progress.
            units: each after those that it stands on.

        Returns:
            Unit key -> why its result is not finite; also of units that stand on such a one. What these cells
            alone would have needed at a later place is not made.
        """
        if not units:
            return {}
        total = sum(unit.amount for unit in units)
        ledger = _Ledger(self._worker.job.reporter.phase(name, total))
        self._executor.run(self._worker, units, ledger.wanted, ledger.heard)
        return ledger.failed


class _Ledger:
    """Which units failed, and where that stops a cell.

    Units before the stop are still wanted, so that the first failure of a cell is the same in every order of work.
    """

    def __init__(self, phase: Phase) -> None:
        self.failed: dict[str, str] = {}
        self._stops: dict[str, tuple[int, ...]] = {}
        self._phase = phase

    def wanted(self, unit: Unit) -> bool:
        broken = next((key for key in unit.after if key in self.failed), None)
        if broken is not None:
            self._fail(unit, self.failed[broken])
            return False
        return not unit.cells or any(self._waits(cell, unit.place) for cell in unit.cells)

    def heard(self, unit: Unit, done: Done) -> None:
        if done.problem:
            self._fail(unit, done.problem)
        self._phase.advance(unit.amount)

    def _waits(self, cell: str, place: tuple[int, ...]) -> bool:
        return cell not in self._stops or place <= self._stops[cell]

    def _fail(self, unit: Unit, why: str) -> None:
        self.failed[unit.key] = why
        for cell in unit.cells:
            self._stops[cell] = min(self._stops.get(cell, unit.place), unit.place)
