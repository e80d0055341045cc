"""Lessons: where a student looks and what makes its target, against the formulas that they were derived from."""

from __future__ import annotations

import math

import pytest

from ivbench.diffusion import CosineSchedule, Schedule, SigmoidSchedule, alpha, sigma_ratio
from ivbench.diffusion.distillation import Lesson, halving_lesson, keeping_lesson, stochastic_lesson
from ivbench.errors import ConfigError

SCHEDULES = [CosineSchedule(), SigmoidSchedule(), CosineSchedule(shift=-1.5)]


def landing(schedule: Schedule, t: float, end: float, z_t: float, z_end: float) -> float:
    """The target as the paper writes it: the x with which one DDIM step from z_t lands on z_end."""
    ratio = sigma_ratio(schedule.logsnr(end), schedule.logsnr(t))
    return (z_end - ratio * z_t) / (alpha(schedule.logsnr(end)) - ratio * alpha(schedule.logsnr(t)))


def two_steps(schedule: Schedule, times: tuple[float, float, float], z: float, x_1: float, x_2: float) -> float:
    for t, s, x in ((times[0], times[1], x_1), (times[1], times[2], x_2)):
        ratio = sigma_ratio(schedule.logsnr(s), schedule.logsnr(t))
        z = alpha(schedule.logsnr(s)) * x + ratio * (z - alpha(schedule.logsnr(t)) * x)
    return z


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize(("steps", "index"), [(1, 1), (2, 2), (8, 2), (8, 8), (128, 2), (128, 77), (128, 128)])
def test_the_target_is_the_papers_formula(schedule: Schedule, steps: int, index: int) -> None:
    z, x_1, x_2 = 0.7, -0.4, 0.9
    for make, length in ((halving_lesson, 0.5), (stochastic_lesson, 1.0)):
        lesson = make(schedule, index, steps)
        t, middle, end = index / steps, (index - length) / steps, (index - 2 * length) / steps
        assert lesson.logsnr == schedule.logsnr(t)
        if end < 0:
            assert lesson.second is None
            continue
        assert lesson.second is not None
        by_z, by_first, by_second = lesson.second.target
        target = by_z * z + by_first * x_1 + by_second * x_2
        ends = x_2 if end == 0 else two_steps(schedule, (t, middle, end), z, x_1, x_2)
        if end == 0 and make is halving_lesson:
            assert target == x_2  # the student's sampling ends with x_hat, as the teacher's does
        else:
            assert math.isclose(target, landing(schedule, t, end, z, ends), rel_tol=1e-9)


def test_what_is_kept_costs_one_evaluation() -> None:
    schedule = CosineSchedule()
    assert keeping_lesson(schedule, 3, 8) == Lesson(schedule.logsnr(3 / 8))
    assert stochastic_lesson(schedule, 1, 8) == keeping_lesson(schedule, 1, 8)


@pytest.mark.parametrize("make", [halving_lesson, stochastic_lesson, keeping_lesson])
@pytest.mark.parametrize("index", [0, 9])
def test_a_place_outside_the_steps_is_refused(make: object, index: int) -> None:
    with pytest.raises(ConfigError, match=f"i is {index}; with 8 steps it must be from 1 to 8"):
        make(CosineSchedule(), index, 8)  # type: ignore[operator]
