"""Distillation recipes: which students, in which order, each from which teacher."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Literal, Self

from pydantic import Field, model_validator

from ivbench.config import Frozen
from ivbench.spec import DistilledSpec, StageSpec
from ivbench.train.recipe import DataRecipe

__all__ = ["DistillationRecipe", "Phase"]


class GuidanceRecipe(Frozen):
    """Guidance distillation: one network that takes the weight w (Meng et al. 2022, 2210.03142, section 3.1)."""

    weights: tuple[float, float] = Field(default=(0.0, 16.0), description="w is drawn uniformly from [least, largest]")
    updates: int = Field(gt=0)
    learning_rate: float = Field(gt=0, description="at the start; it falls linearly to 0")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not 0 <= self.weights[0] < self.weights[1]:
            raise ValueError(f"weights must be [least, largest w] from 0 up, got {list(self.weights)}")
        return self


class StudentRecipe(Frozen):
    """A student by its number of steps (Salimans & Ho 2022, 2202.00512; Meng et al. 2022, section 3.2)."""

    steps: int = Field(gt=0, description="N: it answers at the times i/N")
    updates: int = Field(gt=0)
    learning_rate: float = Field(gt=0, description="at the start; it falls linearly to 0")


class Phase(Frozen):
    """One student.

    Attributes:
        name: guidance, ddim-N or stochastic-N; names its folder.
        teacher: the phase whose student teaches; None: the cascade's own stage.
    """

    name: str
    teacher: str | None
    distilled: DistilledSpec
    updates: int
    learning_rate: float

    @property
    def kind(self) -> Literal["guidance", "halving", "stochastic"]:
        """What the student learns: the guided prediction, two steps in one, or a second sampler's jumps."""
        if self.distilled.steps is None:
            return "guidance"
        return "halving" if len(self.distilled.samplers) == 1 else "stochastic"

    def student(self, stage: StageSpec) -> StageSpec:
        """The student of an undistilled stage."""
        unet = stage.unet.model_copy(
            update={
                "guidance_embedding": self.distilled.guidance is not None,
                "jump_embedding": len(self.distilled.samplers) > 1,
            }
        )
        return stage.model_copy(update={"unet": unet, "distilled": self.distilled})


class DistillationRecipe(DataRecipe):
    """How a trained stage is distilled: first guidance, then halvings of the steps, and for a second sampler.

    A stochastic student starts from the student of as many DDIM steps, keeps its answers, and learns the stochastic
    sampler's jumps of twice the length beside them; it is told which is asked for.
    """

    kind: Literal["distillation"] = "distillation"
    guidance: GuidanceRecipe | None = None
    halving: tuple[StudentRecipe, ...] = Field(default=(), description="each of half the steps of the one before")
    stochastic: tuple[StudentRecipe, ...] = Field(
        default=(),
        description="each after the halving to as many steps; one alone goes on from a stage of as many DDIM steps",
    )
    snr_cap: float | None = Field(
        default=None, ge=1, description="the squared error of x is weighted by max(SNR, 1), up to this; None: no limit"
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.goes_on_alone:
            return self
        if self.guidance is None and not self.halving:
            raise ValueError("a distillation needs guidance, halving, or both; or one stochastic student alone")
        halved = [student.steps for student in self.halving]
        for before, after in itertools.pairwise(halved):
            if before != 2 * after:
                raise ValueError(f"halving: {after} steps after {before}; allowed is half of the one before")
        for student in self.stochastic:
            if student.steps not in halved:
                raise ValueError(f"stochastic: {student.steps} steps need the halving to as many as their teacher")
        return self

    @property
    def goes_on_alone(self) -> bool:
        """Whether it is one stochastic student alone, of a stage that was distilled to as many DDIM steps."""
        return self.guidance is None and not self.halving and len(self.stochastic) == 1

    def phases(self, origin: DistilledSpec | None = None) -> tuple[Phase, ...]:
        """In order: each after its teacher.

        Args:
            origin: how the stage was distilled before; its students take the same guidance weights.
        """
        found: list[Phase] = []
        weights = None if origin is None else origin.guidance
        if self.guidance is not None:
            weights, updates = self.guidance.weights, self.guidance.updates
            only = DistilledSpec(guidance=weights)
            found.append(_phase("guidance", None, only, updates, self.guidance.learning_rate))
        if self.goes_on_alone:
            return (_stochastic(self.stochastic[0], None, weights),)
        teacher = found[-1].name if found else None
        for student in self.halving:
            found += self._students(student, teacher, weights)
            teacher = f"ddim-{student.steps}"
        return tuple(found)

    def _students(
        self, student: StudentRecipe, teacher: str | None, weights: tuple[float, float] | None
    ) -> Iterator[Phase]:
        """A halving, and after it the stochastic student of as many steps."""
        steps = student.steps
        only = DistilledSpec(guidance=weights, samplers=("ddim",), steps=steps)
        yield _phase(f"ddim-{steps}", teacher, only, student.updates, student.learning_rate)
        for second in self.stochastic:
            if second.steps == steps:
                yield _stochastic(second, f"ddim-{steps}", weights)


def _stochastic(student: StudentRecipe, teacher: str | None, weights: tuple[float, float] | None) -> Phase:
    both = DistilledSpec(guidance=weights, samplers=("ddim", "stochastic"), steps=student.steps)
    return _phase(f"stochastic-{student.steps}", teacher, both, student.updates, student.learning_rate)


def _phase(name: str, teacher: str | None, distilled: DistilledSpec, updates: int, learning_rate: float) -> Phase:
    return Phase(name=name, teacher=teacher, distilled=distilled, updates=updates, learning_rate=learning_rate)
