"""The toys in processes of their own: slow enough to be interrupted, and they say where they are at work."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ivbench.errors import DigestError
from ivbench.plan import Plan
from ivbench.results.store import Store
from ivbench.run import Executor, Silent, score_plan
from ivbench.spec import CascadeSpec
from tests.run.toys import Ran, ToyCascade, ToyModels, ToyStage

__all__ = ["FarModels", "FarStage", "Toys", "run_far"]


@dataclass(frozen=True)
class Toys:
    """How toys behave.

    Attributes:
        breaks: NaN with guidance.
        wrong_weights: the stage whose weights are NaN.
        differs: the worker's zoo is not the driver's.
        delay: seconds of one network evaluation.
        rows: videos that fit the memory; 0: any number.
        pids: folder with a file named after each process while it evaluates.
        asked: folder with a file named after each model and each process that loaded it.
    """

    breaks: bool = False
    wrong_weights: str = ""
    differs: bool = False
    delay: float = 0.0
    rows: int = 0
    pids: Path | None = None
    asked: Path | None = None


class FarStage(ToyStage):
    toys = Toys()

    def conditional(self, z: NDArray[np.float32], logsnr: float) -> NDArray[np.float32]:
        if self.toys.rows and len(z) > self.toys.rows:
            raise MemoryError
        busy = None if self.toys.pids is None else self.toys.pids / str(os.getpid())
        if busy is not None:
            busy.write_text(os.environ.get("CUDA_VISIBLE_DEVICES", ""))
        time.sleep(self.toys.delay)
        if busy is not None:
            busy.unlink(missing_ok=True)
        return super().conditional(z, logsnr)


@dataclass
class FarCascade(ToyCascade):
    toys: Toys = Toys()

    def stage_model(self, name: str) -> Any:
        super().stage_model(name)
        if self.toys.asked is not None:
            (self.toys.asked / f"{name}-{os.getpid()}").touch()
        stage = FarStage(self.spec.stage(name), self.breaks, (MemoryError,) if self.toys.rows else ())
        stage.toys = self.toys
        return stage


class FarModels(ToyModels):
    """Toys that travel by name, as networks do."""

    def __init__(self, spec: CascadeSpec, toys: Toys) -> None:
        super().__init__(spec, toys.breaks, toys.wrong_weights)
        self.spec, self.toys = spec, toys
        self.toy = FarCascade(spec, toys.breaks, toys.wrong_weights, toys=toys)

    def __reduce__(self) -> Any:
        return FarModels, (self.spec, self.toys)

    def require(self, plan: Plan) -> None:
        if self.toys.differs:
            raise DigestError('"toy" is not the one of the plan. Install the same zoo on every node.')


def run_far(plan: Plan, folder: Path, executor: Executor, toys: Toys = Toys(), reporter: Silent | None = None) -> Ran:
    """Score a plan with the toys on an executor, which is closed; the store is `folder`/store."""
    reporter, models = reporter or Silent(), FarModels(plan.source.spec, toys)
    store = Store(folder / "store", on_problem=reporter.say)
    try:
        outcome = score_plan(plan, store, models, reporter, folder / "out", "ivbench run", False, executor)
    finally:
        executor.close()
    return Ran(plan, outcome, models, reporter.lines)
