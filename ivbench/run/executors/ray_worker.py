"""What runs on a Ray worker: the job's steps over the shared store, with the models that it has loaded."""

from __future__ import annotations

import gc
import socket
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from ivbench.backends.memory import is_out_of_memory
from ivbench.errors import ExecutorError, IvbenchError, StoreError
from ivbench.plan import Plan
from ivbench.results.store import Store
from ivbench.run.job import Job
from ivbench.run.models import Models
from ivbench.run.progress import Silent
from ivbench.run.units import Done, Unit
from ivbench.run.worker import Worker

__all__ = ["Answer", "Order", "RayWorker"]


@dataclass(frozen=True)
class Order:
    """What a worker needs to know: names and settings, no arrays.

    Attributes:
        plan: the plan in execution.
        store: the store's folder, which every node sees under this path.
        mark: the name of a file in it, to tell it from another folder of that name.
        models: by name; each worker loads its own.
    """

    plan: Plan
    store: Path
    mark: str
    models: Models


@dataclass(frozen=True)
class Answer:
    """A worker's word on one call: what was done, or the error that ends the run."""

    done: Done = field(default_factory=Done)
    error: Exception | None = None


class RayWorker:
    """An actor: it keeps what it has loaded from unit to unit.

    Args:
        order: what it needs to know.
    """

    def __init__(self, order: Order) -> None:
        self._order, self._host = order, socket.gethostname()
        self._reporter = Silent()
        self._worker = self._fresh()

    def ready(self) -> Answer:
        """See whether this node has what the run needs."""
        try:
            self._require_store()
            self._order.models.require(self._order.plan)
        except (IvbenchError, OSError) as error:
            return Answer(error=self._located(error))
        return Answer()

    def do(self, unit: Unit, batch: int | None) -> Answer:
        """Do a unit. Where memory runs out, all models are dropped and it is tried once more with its own alone."""
        try:
            try:
                done = self._worker.do(unit, batch)
            except Exception as error:
                if not is_out_of_memory(error):
                    raise
                done = self._alone(unit, batch)
        except (IvbenchError, OSError, ModuleNotFoundError) as error:
            return Answer(error=self._located(error))
        lines, self._reporter.lines = tuple(self._reporter.lines), []
        return Answer(Done(done.problem, done.computed, lines, done.loaded))

    def _alone(self, unit: Unit, batch: int | None) -> Done:
        self._worker = self._fresh()
        gc.collect()
        torch = sys.modules.get("torch")
        if torch is not None:
            torch.cuda.empty_cache()
        try:
            return self._worker.do(unit, batch)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            raise ExecutorError(
                f"{unit} does not fit the memory of a worker, one video at a time and with no other model loaded. "
                "Give each worker more: a larger --gpus-per-worker, or fewer --workers."
            ) from error

    def _fresh(self) -> Worker:
        store = Store(self._order.store, on_problem=self._reporter.say)
        models = self._order.models
        copy = models.__reduce__()
        return Worker(Job(self._order.plan, store, copy[0](*copy[1]), self._reporter))

    def _require_store(self) -> None:
        folder = self._order.store
        if not (folder / self._order.mark).is_file():
            raise StoreError(f"{folder} is not the store that the run has. Give a folder that all nodes share: --store")
        try:
            with tempfile.TemporaryFile(dir=folder):
                pass
        except OSError as error:
            raise StoreError(f"the store {folder} can't be written: {error.strerror or error}.") from error

    def _located(self, error: Exception) -> Exception:
        """The error with this node's name; the user may sit at another."""
        if isinstance(error, IvbenchError) and len(error.args) == 1:
            error.args = (f"on node {self._host}: {error}",)
        return error
