"""Distillation as data: where a student looks, and how its teacher's predictions make its target.

A student of N steps answers at t = i/N, i = 1 ... N. Its target is the clean video with which one step of its own
sampler lands where its teacher lands. Everything here is plain float64 numbers, one `Lesson` a training row.
"""

from __future__ import annotations

from dataclasses import dataclass

from ivbench.diffusion.samplers.base import Coefficients
from ivbench.diffusion.samplers.ddim import ddim_coefficients
from ivbench.diffusion.schedule import Schedule
from ivbench.errors import ConfigError

__all__ = ["Lesson", "Second", "halving_lesson", "keeping_lesson", "stochastic_lesson"]


@dataclass(frozen=True)
class Second:
    """The teacher's second evaluation.

    Attributes:
        logsnr: nats: where it takes place.
        down: the teacher's first DDIM step, to that place, from z_t and its first prediction x_1.
        target: factors of z_t, x_1 and the second prediction x_2 in the student's target.
    """

    logsnr: float
    down: Coefficients
    target: tuple[float, float, float]


@dataclass(frozen=True)
class Lesson:
    """One row's place and target.

    Attributes:
        logsnr: nats: log SNR at t, where teacher and student are asked.
        second: the teacher's second evaluation; None where the target is its first prediction.
    """

    logsnr: float
    second: Second | None = None


def halving_lesson(schedule: Schedule, index: int, steps: int) -> Lesson:
    """A student of `steps` DDIM steps lands in one where its teacher lands in two of half the length.

    t = i/N, t' = t - 0.5/N, t'' = t - 1/N; z_t -> z_t' -> z_t'' by the teacher;
    x = (z_t'' - (sigma_t'' / sigma_t) z_t) / (alpha_t'' - (sigma_t'' / sigma_t) alpha_t).

    Args:
        schedule: log SNR of time.
        index: i in [1, N].
        steps: N, of the student.

    Raises:
        ConfigError: the index is out of range.

    Source: Salimans & Ho 2022 (2202.00512), algorithm 2. At t'' = 0 sampling returns x_hat: there the target is the
    teacher's second prediction.
    """
    _require_index(index, steps)
    t, middle, end = index / steps, (index - 0.5) / steps, (index - 1) / steps
    if index == 1:
        return _lesson(schedule, t, middle, (0.0, 0.0, 1.0))
    return _lesson(schedule, t, middle, _two_steps_in_one(schedule, t, middle, end))


def stochastic_lesson(schedule: Schedule, index: int, steps: int) -> Lesson:
    """A student of the stochastic sampler jumps 2/N in one evaluation where its teacher takes two DDIM steps of 1/N.

    The teacher is the student of `steps` DDIM steps. At i = 1 the sampler's last step returns x_hat: there the target
    is the teacher's own prediction. At i = 2 the teacher ends with its second prediction, while the student's jump
    leaves a trace of z_t, sigma_0 / sigma_t: its target makes up for it, or the variance would be 1e-5 off.

    Args:
        schedule: log SNR of time.
        index: i in [1, N].
        steps: N, of the student and of its teacher.

    Raises:
        ConfigError: the index is out of range.

    Source: Meng et al. 2022 (2210.03142), algorithm 3.
    """
    _require_index(index, steps)
    if index == 1:
        return keeping_lesson(schedule, index, steps)
    t, middle, end = index / steps, (index - 1) / steps, (index - 2) / steps
    if index == 2:
        jump = ddim_coefficients(schedule.logsnr(t), schedule.logsnr(0.0))
        return _lesson(schedule, t, middle, (-jump.z / jump.x, 0.0, 1.0 / jump.x))
    return _lesson(schedule, t, middle, _two_steps_in_one(schedule, t, middle, end))


def keeping_lesson(schedule: Schedule, index: int, steps: int) -> Lesson:
    """The student answers as its teacher does: what it was distilled to before is kept.

    Raises:
        ConfigError: the index is out of range.
    """
    _require_index(index, steps)
    return Lesson(schedule.logsnr(index / steps))


def _lesson(schedule: Schedule, t: float, middle: float, target: tuple[float, float, float]) -> Lesson:
    logsnr_t, logsnr_middle = schedule.logsnr(t), schedule.logsnr(middle)
    return Lesson(logsnr_t, Second(logsnr_middle, ddim_coefficients(logsnr_t, logsnr_middle), target))


def _two_steps_in_one(schedule: Schedule, t: float, middle: float, end: float) -> tuple[float, float, float]:
    """The x with which one DDIM step t -> end lands where t -> middle -> end lands, as shares of x_1 and x_2.

    With z' = a z + b x_1 and z'' = c z' + d x_2 it solves (a c) z + (b c + d) x = z'': no difference of large numbers.
    """
    down = ddim_coefficients(schedule.logsnr(t), schedule.logsnr(middle))
    further = ddim_coefficients(schedule.logsnr(middle), schedule.logsnr(end))
    first = further.z * down.x
    return 0.0, first / (first + further.x), further.x / (first + further.x)


def _require_index(index: int, steps: int) -> None:
    if not 1 <= index <= steps:
        raise ConfigError(f"distillation: i is {index}; with {steps} steps it must be from 1 to {steps}.")
