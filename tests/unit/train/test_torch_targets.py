"""Distillation on Gaussian data, where teacher and exact student are closed forms."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from ivbench.diffusion import DDIM, CosineSchedule, GaussianOracle, Sampler, Stochastic  # noqa: E402
from ivbench.diffusion.distillation import (  # noqa: E402
    Lesson,
    halving_lesson,
    keeping_lesson,
    stochastic_lesson,
)
from ivbench.diffusion.samplers.base import update  # noqa: E402
from ivbench.diffusion.samplers.ddim import ddim_coefficients  # noqa: E402
from ivbench.train.torch_targets import lesson_target  # noqa: E402

SCHEDULE = CosineSchedule()
Model = Callable[[float, float], float]
"""(z, time) -> x_hat, for one number."""


def asked(model: Model, count: list[int] | None = None) -> Any:
    """A model of one number as a teacher of rows [R, 1, 1, 1, 1]."""

    def denoise(z: Any, logsnr: Any, rows: Any) -> Any:
        if count is not None:
            count.append(len(rows))
        times = [SCHEDULE.time(value) for value in logsnr.tolist()]
        found = [model(a, t) for a, t in zip(z.flatten().tolist(), times, strict=True)]
        return torch.tensor(found, dtype=torch.float64).view_as(z)

    return denoise


def student(teacher: Model, lesson: Callable[[int], Lesson], steps: int) -> Model:
    """The exact student: what the targets say, at its times i / steps."""

    def model(z: float, t: float) -> float:
        row = torch.full((1, 1, 1, 1, 1), z, dtype=torch.float64)
        return float(lesson_target(asked(teacher), row, [lesson(round(t * steps))]))

    return model


def oracle(mean: float, variance: float) -> Model:
    exact = GaussianOracle(mean, variance)
    return lambda z, t: exact(np.float64(z), SCHEDULE.logsnr(t))


def flow(variance: float, steps: int) -> Model:
    """The limit of all halvings: the student whose DDIM step of 1/steps is the exact probability flow.

    The last step returns x_hat, so there x_hat is where the flow ends.
    """
    exact = GaussianOracle(0.0, variance)

    def model(z: float, t: float) -> float:
        end = round(t * steps - 1) / steps
        logsnr_t, logsnr_s = SCHEDULE.logsnr(t), SCHEDULE.logsnr(end)
        reached = float(exact.flow(np.float64(z), logsnr_t, logsnr_s))
        step = ddim_coefficients(logsnr_t, logsnr_s)
        return reached if end == 0 else (reached - step.z * z) / step.x

    return model


def ddim(model: Model, z: float, t: float, s: float) -> float:
    row = np.full((1, 1, 1, 1, 1), z)
    return float(update(row, np.full_like(row, model(z, t)), DDIM().coefficients(SCHEDULE, t, s)).item())


def variance_of(sampler: Sampler, model: Model, steps: int) -> float:
    """The variance of samples of a linear model without a mean, exactly."""
    variance = 1.0
    for step in sampler.steps(SCHEDULE, steps):
        c = step.coefficients
        variance = (c.z + c.x * model(1.0, step.t)) ** 2 * variance + c.noise**2
    return variance


@pytest.mark.parametrize("steps", [1, 4, 64])
def test_the_exact_student_lands_on_two_teacher_steps(steps: int) -> None:
    teacher = oracle(0.3, 0.25)
    own = student(teacher, lambda i: halving_lesson(SCHEDULE, i, steps), steps)
    for index in range(1, steps + 1):
        t, middle, end = index / steps, (index - 0.5) / steps, (index - 1) / steps
        for z in (-1.3, 0.2, 2.0):
            at_middle = ddim(teacher, z, t, middle)
            if index == 1:
                assert own(z, t) == pytest.approx(teacher(at_middle, middle), abs=1e-12)
            else:
                assert ddim(own, z, t, end) == pytest.approx(ddim(teacher, at_middle, middle, end), abs=1e-12)


def test_halving_all_the_way_the_student_of_one_step_is_the_teacher_of_many() -> None:
    steps, model = 16, oracle(0.3, 0.25)
    z = reached = 1.1
    for index in range(steps, 0, -1):
        x_hat = model(reached, index / steps)
        reached = x_hat if index == 1 else ddim(model, reached, index / steps, (index - 1) / steps)
    for fewer in (8, 4, 2, 1):
        model = student(model, lambda i, n=fewer: halving_lesson(SCHEDULE, i, n), fewer)  # type: ignore[misc]
    assert model(z, 1.0) == pytest.approx(reached, abs=1e-12)


@pytest.mark.parametrize("variance", [0.09, 1.0, 2.0])
@pytest.mark.parametrize("steps", [2, 8])
def test_the_stochastic_sampler_with_its_own_student_keeps_the_variance(variance: float, steps: int) -> None:
    deterministic = flow(variance, steps)
    own = student(deterministic, lambda i: stochastic_lesson(SCHEDULE, i, steps), steps)
    assert variance_of(Stochastic(), own, steps) / variance == pytest.approx(1.0, abs=1e-6)
    assert variance_of(DDIM(), deterministic, steps) / variance == pytest.approx(1.0, abs=1e-6)


def test_with_the_students_swapped_the_variance_is_lost() -> None:
    deterministic = flow(1.0, 8)
    own = student(deterministic, lambda i: stochastic_lesson(SCHEDULE, i, 8), 8)
    assert variance_of(Stochastic(), deterministic, 8) < 0.8
    assert variance_of(DDIM(), own, 8) > 1.2


def test_the_teacher_is_asked_no_oftener_than_it_must() -> None:
    count: list[int] = []
    z = torch.zeros(4, 1, 1, 1, 1, dtype=torch.float64)
    kept = keeping_lesson(SCHEDULE, 3, 8)
    lessons = [kept, stochastic_lesson(SCHEDULE, 1, 8), stochastic_lesson(SCHEDULE, 2, 8), kept]
    lesson_target(asked(oracle(0.0, 1.0), count), z, lessons)
    assert count == [4, 1]
    lesson_target(asked(oracle(0.0, 1.0), count), z, [kept] * 4)
    assert count == [4, 1, 4]


def test_rows_do_not_mix() -> None:
    teacher = asked(oracle(0.3, 0.25))
    z = torch.linspace(-2, 2, 5, dtype=torch.float64).view(5, 1, 1, 1, 1)
    lessons = [stochastic_lesson(SCHEDULE, 1 + i, 8) for i in range(4)] + [keeping_lesson(SCHEDULE, 8, 8)]
    together = lesson_target(teacher, z, lessons)
    alone = torch.cat([lesson_target(teacher, z[i : i + 1], lessons[i : i + 1]) for i in range(5)])
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-14)
    assert not together.requires_grad
