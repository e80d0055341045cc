from __future__ import annotations

import json
import math
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ivbench import registry
from ivbench.diffusion import (
    BetaLinearSchedule,
    CosineSchedule,
    LinearSchedule,
    SigmoidSchedule,
    alpha,
    sigma,
    sigma_ratio,
)
from ivbench.errors import ConfigError

GOLDEN: dict[str, Any] = json.loads((Path(__file__).parents[2] / "golden" / "schedule.json").read_text())
COSINE = CosineSchedule(GOLDEN["logsnr_min"], GOLDEN["logsnr_max"])


@pytest.mark.parametrize("row", GOLDEN["logsnr"])
def test_cosine_logsnr_is_the_golden_one(row: dict[str, float]) -> None:
    assert COSINE.logsnr(row["t"]) == pytest.approx(row["value"], rel=0, abs=1e-15)


@pytest.mark.parametrize("row", GOLDEN["alpha"])
def test_alpha_is_the_golden_one(row: dict[str, float]) -> None:
    assert alpha(COSINE.logsnr(row["t"])) == pytest.approx(row["value"], rel=0, abs=1e-15)


@pytest.mark.parametrize("row", GOLDEN["sigma"])
def test_sigma_is_the_golden_one(row: dict[str, float]) -> None:
    assert sigma(COSINE.logsnr(row["t"])) == pytest.approx(row["value"], rel=0, abs=1e-15)


def test_the_ends_are_the_golden_ones() -> None:
    ends = GOLDEN["ends"]
    assert alpha(COSINE.logsnr(1.0)) == pytest.approx(ends["alpha_at_1"], rel=ends["relative_tolerance"])
    assert sigma(COSINE.logsnr(0.0)) == pytest.approx(ends["sigma_at_0"], rel=ends["relative_tolerance"])


def test_cosine_ends_at_the_given_log_snrs_and_shift_moves_all_of_it() -> None:
    assert COSINE.logsnr(0.0) == pytest.approx(20.0, abs=1e-9)
    assert COSINE.logsnr(1.0) == pytest.approx(-20.0, abs=1e-9)
    shifted = CosineSchedule(shift=-2.5)
    for t in (0.0, 0.3, 0.5, 1.0):
        assert shifted.logsnr(t) == COSINE.logsnr(t) - 2.5


def test_without_ends_the_cosine_schedule_is_a_cosine() -> None:
    schedule = CosineSchedule(-60.0, 60.0)
    assert alpha(schedule.logsnr(0.2)) == pytest.approx(math.cos(0.1 * math.pi), abs=1e-12)


DDPM = BetaLinearSchedule(-math.log(math.expm1(10.0001)), -math.log(math.expm1(1e-4)))


def test_beta_linear_is_the_published_formula_in_continuous_time() -> None:
    for t in np.linspace(0.0, 1.0, 41).tolist():
        assert DDPM.logsnr(t) == pytest.approx(-math.log(math.expm1(1e-4 + 10 * t**2)), abs=1e-11)


def test_beta_linear_is_about_the_product_of_ddpms_thousand_steps() -> None:
    kept = np.cumprod(1 - np.linspace(1e-4, 0.02, 1000))
    assert [alpha(DDPM.logsnr(step / 1000)) ** 2 for step in range(1, 1001)] == pytest.approx(kept.tolist(), abs=0.02)


@pytest.mark.parametrize("name", registry.names("schedule"))
def test_every_registered_schedule_falls_strictly_and_inverts(name: str) -> None:
    schedule = registry.load("schedule", name)()
    times = np.linspace(0.0, 1.0, 101).tolist()
    values = [schedule.logsnr(t) for t in times]
    assert all(later < earlier for earlier, later in pairwise(values))
    assert [schedule.time(value) for value in values] == pytest.approx(times, abs=1e-9)


@pytest.mark.parametrize("name", registry.names("schedule"))
def test_every_registered_schedule_returns_python_floats(name: str) -> None:
    schedule = registry.load("schedule", name)()
    assert type(schedule.logsnr(np.float64(0.5))) is float
    assert type(schedule.time(np.float64(0.5))) is float


@pytest.mark.parametrize("name", registry.names("schedule"))
def test_a_schedule_refuses_times_and_log_snrs_outside_its_range(name: str) -> None:
    schedule = registry.load("schedule", name)()
    for t in (-0.1, 1.1, math.nan):
        with pytest.raises(ConfigError, match="runs from 0"):
            schedule.logsnr(t)
    for value in (-20.1, 20.1, math.nan):
        with pytest.raises(ConfigError, match=r"outside the schedule's \[-20, 20\]"):
            schedule.time(value)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: CosineSchedule(3.0, 3.0), "logsnr_min 3 must be below"),
        (lambda: CosineSchedule(shift=math.inf), "must be finite"),
        (lambda: CosineSchedule(-2000.0, 20.0), "both within 60 nats of 0"),
        (lambda: LinearSchedule(1.0, -1.0), "logsnr_min 1 must be below"),
        (lambda: BetaLinearSchedule(1.0, -1.0), "logsnr_min 1 must be below"),
        (lambda: LinearSchedule(math.nan, 1.0), "must be finite"),
        (lambda: SigmoidSchedule(start=2.0, end=1.0), "start 2 must be below end 1"),
        (lambda: SigmoidSchedule(tau=0.0), "tau is 0"),
    ],
)
def test_a_schedule_checks_itself(make: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make()


def test_alpha_and_sigma_are_accurate_at_both_ends() -> None:
    assert alpha(-200.0) == pytest.approx(math.exp(-100.0), rel=1e-14)
    assert sigma(200.0) == pytest.approx(math.exp(-100.0), rel=1e-14)
    assert alpha(2000.0) == sigma(-2000.0) == 1.0


def test_sigma_ratio_is_the_quotient_and_is_stable() -> None:
    assert sigma_ratio(3.0, 1.0) == pytest.approx(sigma(3.0) / sigma(1.0), rel=1e-15)
    assert sigma_ratio(2000.0, 1998.0) == pytest.approx(math.exp(-1.0), rel=1e-12)


def test_alpha_of_an_array_is_alpha_of_its_numbers(asarray: Any) -> None:
    values = np.linspace(-20.0, 20.0, 9)
    for function in (alpha, sigma):
        got = np.asarray(function(asarray(values)))
        assert got.tolist() == pytest.approx([function(value) for value in values.tolist()], rel=1e-14)
