"""Samplers against closed forms, on Gaussian data: order of convergence, the distribution at finite N, its bias.

The recursions of mean and variance are written from the paper's formulas, apart from the samplers' code.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ivbench.diffusion import DDIM, Ancestral, CosineSchedule, GaussianOracle, Heun, Stochastic, sample
from ivbench.errors import ConfigError

GOLDEN: dict[str, Any] = json.loads((Path(__file__).parents[2] / "golden" / "schedule.json").read_text())
COSINE = CosineSchedule()
ORACLE = GaussianOracle(mean=0.3, variance=0.25)
COUNT = 40_000

Affine = tuple[float, float]
"""(slope, offset) of a function of z."""


def coefficients(t: float) -> tuple[float, float]:
    """alpha and sigma at a time."""
    a2 = 1.0 / (1.0 + math.exp(-COSINE.logsnr(t)))
    return math.sqrt(a2), math.sqrt(1.0 - a2)


def mmse(oracle: GaussianOracle, t: float) -> Affine:
    """E[x | z_t] of the Gaussian."""
    a, s = coefficients(t)
    slope = a * oracle.variance / (a * a * oracle.variance + s * s)
    return slope, oracle.mean * (1.0 - slope * a)


def student(oracle: GaussianOracle, t: float, k: float) -> Affine:
    """The x_hat whose DDIM step from t to k is the exact probability flow: a perfectly distilled student."""
    (a_t, s_t), (a_k, s_k) = coefficients(t), coefficients(k)
    spread = [math.sqrt(a * a * oracle.variance + s * s) for a, s in ((a_t, s_t), (a_k, s_k))]
    ratio = s_k / s_t
    slope = (spread[1] / spread[0] - ratio) / (a_k - ratio * a_t)
    return slope, oracle.mean * (1.0 - slope * a_t)


def ddim_step(t: float, s: float, x: Affine) -> tuple[Affine, float]:
    (a_t, s_t), (a_s, s_s) = coefficients(t), coefficients(s)
    factor = a_s - s_s / s_t * a_t
    return (s_s / s_t + factor * x[0], factor * x[1]), 0.0


def ancestral_step(gamma: float) -> Callable[[float, float, Affine], tuple[Affine, float]]:
    def step(t: float, s: float, x: Affine) -> tuple[Affine, float]:
        (a_t, s_t), (a_s, s_s) = coefficients(t), coefficients(s)
        forward = s_t**2 - (a_t / a_s) ** 2 * s_s**2  # sigma_{t|s}^2 from the marginals
        posterior = forward * s_s**2 / s_t**2
        of_z, of_x = a_t / a_s * s_s**2 / s_t**2, a_s * forward / s_t**2  # Bayes' rule for q(z_s | z_t, x)
        return (of_z + of_x * x[0], of_x * x[1]), posterior ** (1 - gamma) * forward**gamma

    return step


def stochastic_step(t: float, s: float, x: Affine) -> tuple[Affine, float]:
    k = max(2 * s - t, 0.0)
    (slope, offset), _ = ddim_step(t, k, x)
    (a_k, s_k), (a_s, s_s) = coefficients(k), coefficients(s)
    return (a_s / a_k * slope, a_s / a_k * offset), s_s**2 - (a_s / a_k * s_k) ** 2


def heun_step(t: float, s: float, x: Affine) -> tuple[Affine, float]:
    """dz/dphi = v by the trapezoid rule, v = (alpha z - x_hat) / sigma, phi = arctan(sigma / alpha)."""
    (a_t, s_t), (a_s, s_s) = coefficients(t), coefficients(s)
    half = 0.5 * (math.atan2(s_s, a_s) - math.atan2(s_t, a_t))
    (slope, offset), _ = ddim_step(t, s, x)
    after = mmse(ORACLE, s)
    at_t = ((a_t - x[0]) / s_t, -x[1] / s_t)
    at_s = ((a_s * slope - (after[0] * slope)) / s_s, (a_s * offset - (after[0] * offset + after[1])) / s_s)
    return (1 + half * (at_t[0] + at_s[0]), half * (at_t[1] + at_s[1])), 0.0


def moments(
    step: Callable[[float, float, Affine], tuple[Affine, float]],
    num_steps: int,
    predict: Callable[[float], Affine],
) -> tuple[float, float]:
    """Mean and variance of the samples: z_1 ~ N(0, 1), affine steps, the last one x_hat."""
    mean, variance = 0.0, 1.0
    for index in range(num_steps, 0, -1):
        t, s = index / num_steps, (index - 1) / num_steps
        (slope, offset), noise = step(t, s, predict(t)) if index > 1 else (predict(t), 0.0)
        mean, variance = slope * mean + offset, slope * slope * variance + noise
    return mean, variance


def sampled_moments(sampler: Any, num_steps: int) -> tuple[float, float]:
    """Mean and variance of a sampler's samples, exact: on a Gaussian a sample is affine in all that is drawn.

    Row 0 draws nothing but zeros, row 1 the first noise alone, row 2 + i the noise of step i alone.
    """
    rows = np.eye(num_steps + 2)[:, 1:, None, None, None, None]

    def noise(index: int) -> Any:
        return rows[:, 1 + index]

    got = sample(ORACLE, sampler, COSINE, rows[:, 0], num_steps, noise).ravel()
    return float(got[0]), float(((got[1:] - got[0]) ** 2).sum())


CASES = [
    (DDIM(), ddim_step),
    (Ancestral(0.0), ancestral_step(0.0)),
    (Ancestral(0.3), ancestral_step(0.3)),
    (Ancestral(1.0), ancestral_step(1.0)),
    (Stochastic(), stochastic_step),
    (Heun(), heun_step),
]
IDS = ["ddim", "ancestral-0", "ancestral-0.3", "ancestral-1", "stochastic", "heun"]


@pytest.mark.parametrize("num_steps", [1, 2, 8, 32, 100])
@pytest.mark.parametrize(("sampler", "step"), CASES, ids=IDS)
def test_samples_have_the_closed_form_mean_and_variance_of_their_n(sampler: Any, step: Any, num_steps: int) -> None:
    expected = moments(step, num_steps, lambda t: mmse(ORACLE, t))
    assert sampled_moments(sampler, num_steps) == pytest.approx(expected, rel=1e-10, abs=1e-12)


@pytest.mark.parametrize("sampler", [case[0] for case in CASES], ids=IDS)
def test_drawn_samples_have_these_moments(sampler: Any) -> None:
    generator = np.random.default_rng(1)
    shape = (1, 1, 1, 1, COUNT)
    got = sample(
        ORACLE, sampler, COSINE, generator.standard_normal(shape), 8, lambda _: generator.standard_normal(shape)
    )
    mean, variance = sampled_moments(sampler, 8)
    assert abs(got.mean() - mean) < 5 * math.sqrt(variance / COUNT) + 1e-12
    assert abs(got.var() - variance) < 5 * variance * math.sqrt(2 / COUNT) + 1e-12


@pytest.mark.parametrize("sampler", [case[0] for case in CASES], ids=IDS)
def test_the_bias_to_the_data_falls_with_the_samplers_order(sampler: Any) -> None:
    found = [sampled_moments(sampler, num_steps) for num_steps in (128, 256, 512)]
    bias = [abs(variance - ORACLE.variance) for _, variance in found]
    orders = [math.log2(before / after) for before, after in pairwise(bias)]
    assert orders == pytest.approx([sampler.order] * 2, abs=0.15)
    away = [abs(mean - ORACLE.mean) for mean, _ in found]
    assert away[2] < max(0.55 * away[1], 1e-4)


def measured_order(sampler: Any, num_steps: tuple[int, ...]) -> list[float]:
    z = np.linspace(-2.0, 2.0, 21).reshape(1, 1, 1, 1, -1)
    exact = ORACLE.flow(z, COSINE.logsnr(1.0), COSINE.logsnr(0.0))
    errors = [float(np.abs(sample(ORACLE, sampler, COSINE, z, n) - exact).max()) for n in num_steps]
    return [math.log2(before / after) for before, after in pairwise(errors)]


@pytest.mark.parametrize(("sampler", "low", "high"), [(DDIM(), 0.98, 1.01), (Heun(), 1.97, 2.03)])
def test_a_deterministic_sampler_converges_to_the_flow_with_its_order(sampler: Any, low: float, high: float) -> None:
    orders = measured_order(sampler, (32, 64, 128, 256))
    assert all(low < order < high for order in orders), orders
    assert round(orders[-1]) == sampler.order


def test_heun_beats_ddim_at_equal_evaluations() -> None:
    z = np.linspace(-2.0, 2.0, 21).reshape(1, 1, 1, 1, -1)
    exact = ORACLE.flow(z, COSINE.logsnr(1.0), COSINE.logsnr(0.0))
    ddim = np.abs(sample(ORACLE, DDIM(), COSINE, z, Heun().nfe(16)) - exact).max()
    assert np.abs(sample(ORACLE, Heun(), COSINE, z, 16) - exact).max() < ddim / 2


@pytest.mark.parametrize("variance", [0.05, 0.25, 1.0, 2.0])
def test_the_stochastic_sampler_keeps_the_variance_with_its_own_student(variance: float) -> None:
    oracle = GaussianOracle(0.3, variance)
    n = 8
    mean, got = moments(stochastic_step, n, lambda t: student(oracle, t, max(t - 2 / n, 0.0)))
    assert got == pytest.approx(variance, rel=1e-3)
    assert mean == pytest.approx(0.3, abs=1e-3)


def test_the_stochastic_sampler_loses_variance_with_a_student_of_single_steps() -> None:
    golden = GOLDEN["stochastic_with_the_wrong_student"]
    oracle, n = GaussianOracle(0.0, golden["data_variance"]), golden["num_steps"]
    _, got = moments(stochastic_step, n, lambda t: student(oracle, t, max(t - 1 / n, 0.0)))
    assert round(got / oracle.variance, golden["digits"]) == golden["share_of_variance"]


def test_the_oracles_flow_maps_noise_to_data_and_back(rng: np.random.Generator) -> None:
    z = rng.standard_normal(1000)
    x = ORACLE.flow(z, COSINE.logsnr(1.0), COSINE.logsnr(0.0))
    np.testing.assert_allclose((x - ORACLE.mean) / math.sqrt(ORACLE.variance), z, atol=1e-3)
    np.testing.assert_allclose(ORACLE.flow(x, COSINE.logsnr(0.0), COSINE.logsnr(1.0)), z, atol=1e-12)


def test_the_oracle_is_the_best_linear_guess(rng: np.random.Generator) -> None:
    x = 0.3 + 0.5 * rng.standard_normal(COUNT)
    a, s = coefficients(0.5)
    z = a * x + s * rng.standard_normal(COUNT)
    slope = np.cov(x, z)[0, 1] / z.var()
    guess = ORACLE(z, COSINE.logsnr(0.5))
    np.testing.assert_allclose(np.polyfit(z, guess, 1)[0], slope, rtol=0.05)
    assert abs((guess - x).mean()) < 5 * 0.5 / math.sqrt(COUNT)


def test_the_oracle_checks_itself() -> None:
    with pytest.raises(ConfigError, match="variance is 0"):
        GaussianOracle(0.0, 0)
