"""Coefficients against the paper's golden values and identities; what a run evaluates and draws."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ivbench import registry
from ivbench.diffusion import DDIM, Ancestral, CosineSchedule, Heun, Stochastic, alpha, sample, sigma, to_eps
from ivbench.diffusion.samplers import Coefficients, update
from ivbench.diffusion.samplers.ancestral import ancestral_variance, posterior_mean
from ivbench.diffusion.samplers.ddim import ddim_coefficients
from ivbench.diffusion.samplers.heun import heun_correction
from ivbench.diffusion.samplers.stochastic import renoise_variance
from ivbench.errors import ConfigError, NonFiniteError, ShapeError

GOLDEN: dict[str, Any] = json.loads((Path(__file__).parents[2] / "golden" / "schedule.json").read_text())
COSINE = CosineSchedule()
SHAPE = (2, 2, 3, 4, 3)
STEPS = [(1.0, 0.9), (0.75, 0.5), (0.5, 0.25), (0.25, 0.01)]
SAMPLERS = [DDIM(), Ancestral(0.0), Ancestral(0.3), Ancestral(1.0), Stochastic(), Heun()]


def logsnrs(*times: float) -> list[float]:
    return [COSINE.logsnr(t) for t in times]


def test_posterior_coefficients_are_the_golden_ones() -> None:
    golden = GOLDEN["posterior"]
    z, x = posterior_mean(*logsnrs(golden["t"], golden["s"]))
    assert z == pytest.approx(golden["coefficient_z"], rel=0, abs=1e-15)
    assert x == pytest.approx(golden["coefficient_x"], rel=0, abs=1e-15)


@pytest.mark.parametrize("row", GOLDEN["posterior"]["variance_by_gamma"])
def test_ancestral_variance_is_the_golden_one(row: dict[str, float]) -> None:
    golden = GOLDEN["posterior"]
    got = ancestral_variance(*logsnrs(golden["t"], golden["s"]), row["gamma"])
    assert got == pytest.approx(row["value"], rel=0, abs=5e-11)
    step = Ancestral(row["gamma"]).coefficients(COSINE, golden["t"], golden["s"])
    assert step.noise**2 == pytest.approx(got, rel=1e-14)


def test_renoise_variance_is_the_golden_one() -> None:
    golden = GOLDEN["renoise"]
    got = renoise_variance(*logsnrs(golden["k"], golden["s"]))
    assert round(got, golden["digits"]) == golden["value"]


@pytest.mark.parametrize(("t", "s"), STEPS)
def test_posterior_mean_and_variance_have_the_marginal_at_s(t: float, s: float) -> None:
    logsnr_t, logsnr_s = logsnrs(t, s)
    z, x = posterior_mean(logsnr_t, logsnr_s)
    assert z * alpha(logsnr_t) + x == pytest.approx(alpha(logsnr_s), rel=0, abs=1e-15)
    variance = z**2 * sigma(logsnr_t) ** 2 + ancestral_variance(logsnr_t, logsnr_s, 0.0)
    assert variance == pytest.approx(sigma(logsnr_s) ** 2, rel=0, abs=1e-15)


@pytest.mark.parametrize(("t", "s"), STEPS)
def test_ancestral_variance_is_interpolated_on_its_logarithm(t: float, s: float) -> None:
    pair = logsnrs(t, s)
    low, high = (math.log(ancestral_variance(*pair, gamma)) for gamma in (0.0, 1.0))
    for gamma in (0.1, 0.5, 0.9):
        assert math.log(ancestral_variance(*pair, gamma)) == pytest.approx(low + gamma * (high - low), abs=1e-12)


@pytest.mark.parametrize(("s", "k"), STEPS)
def test_renoising_has_the_marginal_at_s(s: float, k: float) -> None:
    logsnr_s, logsnr_k = logsnrs(s, k)
    variance = (alpha(logsnr_s) / alpha(logsnr_k) * sigma(logsnr_k)) ** 2 + renoise_variance(logsnr_k, logsnr_s)
    assert variance == pytest.approx(sigma(logsnr_s) ** 2, rel=0, abs=1e-15)


@pytest.mark.parametrize(("t", "s"), STEPS)
def test_ddim_moves_along_x_hat_and_its_eps(t: float, s: float, rng: np.random.Generator) -> None:
    z, x_hat = rng.standard_normal(SHAPE), rng.uniform(-1, 1, SHAPE)
    logsnr_t, logsnr_s = logsnrs(t, s)
    expected = alpha(logsnr_s) * x_hat + sigma(logsnr_s) * to_eps(x_hat, z, logsnr_t, "x")
    np.testing.assert_allclose(update(z, x_hat, ddim_coefficients(logsnr_t, logsnr_s)), expected, atol=1e-14)


@pytest.mark.parametrize(("t", "s"), STEPS)
def test_one_ddim_step_to_the_distillation_target_lands_where_two_steps_did(
    t: float, s: float, rng: np.random.Generator
) -> None:
    z, x_1, x_2 = rng.standard_normal((3, 50))
    logsnr_t, logsnr_mid, logsnr_s = logsnrs(t, (t + s) / 2, s)
    two = update(update(z, x_1, ddim_coefficients(logsnr_t, logsnr_mid)), x_2, ddim_coefficients(logsnr_mid, logsnr_s))
    ratio = sigma(logsnr_s) / sigma(logsnr_t)
    x_target = (two - ratio * z) / (alpha(logsnr_s) - ratio * alpha(logsnr_t))
    np.testing.assert_allclose(update(z, x_target, ddim_coefficients(logsnr_t, logsnr_s)), two, atol=1e-15)


@pytest.mark.parametrize("sampler", SAMPLERS, ids=repr)
def test_a_perfect_denoiser_gives_the_marginal_of_every_time(sampler: Any) -> None:
    # With x_hat = x, z_t = alpha_t x + sigma_t eps must become alpha_s x + sigma_s eps'. With gamma > 0 the ancestral
    # sampler adds more noise by design.
    for step in sampler.steps(COSINE, 8)[:-1]:
        c = step.coefficients
        assert c.z * alpha(step.logsnr_t) + c.x == pytest.approx(alpha(step.logsnr_s), abs=1e-14)
        variance = c.z**2 * sigma(step.logsnr_t) ** 2 + c.noise**2
        if isinstance(sampler, Ancestral) and sampler.gamma > 0.0:
            assert variance > sigma(step.logsnr_s) ** 2
        else:
            assert variance == pytest.approx(sigma(step.logsnr_s) ** 2, abs=1e-14)


def test_heuns_correction_is_the_trapezoid_rule_on_v(rng: np.random.Generator) -> None:
    z, x_1, x_2 = rng.standard_normal((3, 50))
    logsnr_t, logsnr_s = logsnrs(0.6, 0.5)
    predicted = update(z, x_1, ddim_coefficients(logsnr_t, logsnr_s))
    v_1 = (alpha(logsnr_t) * z - x_1) / sigma(logsnr_t)
    v_2 = (alpha(logsnr_s) * predicted - x_2) / sigma(logsnr_s)
    angle = math.atan2(sigma(logsnr_s), alpha(logsnr_s)) - math.atan2(sigma(logsnr_t), alpha(logsnr_t))
    c = heun_correction(logsnr_t, logsnr_s)
    np.testing.assert_allclose(c.z * z + c.x_1 * x_1 + c.x_2 * x_2, z + angle * (v_1 + v_2) / 2, atol=1e-14)


@pytest.mark.parametrize("num_steps", [1, 2, 8])
@pytest.mark.parametrize("sampler", SAMPLERS, ids=repr)
def test_a_run_evaluates_where_and_as_often_as_it_says(sampler: Any, num_steps: int) -> None:
    seen: list[float] = []

    def denoise_x(z: Any, logsnr: float, step_index: int) -> Any:
        seen.append(COSINE.time(logsnr))
        return z * 0.0

    sample(denoise_x, sampler, COSINE, np.ones(SHAPE), num_steps, lambda step: np.ones(SHAPE))
    assert len(seen) == sampler.nfe(num_steps) == (2 * num_steps - 1 if isinstance(sampler, Heun) else num_steps)
    grid = [index / num_steps for index in range(num_steps, 0, -1)]
    assert sorted(set(np.round(seen, 9)), reverse=True) == pytest.approx(grid, abs=1e-8)


@pytest.mark.parametrize("sampler", SAMPLERS, ids=repr)
def test_the_last_step_returns_x_hat_and_draws_no_noise(sampler: Any) -> None:
    drawn: list[int] = []
    x_hat = np.full(SHAPE, 0.123, dtype=np.float32)

    def noise(step: int) -> np.ndarray:
        drawn.append(step)
        return np.ones(SHAPE, dtype=np.float32)

    got = sample(lambda z, logsnr, index: x_hat, sampler, COSINE, np.ones(SHAPE, np.float32), 4, noise)
    np.testing.assert_array_equal(got, x_hat)
    assert drawn == ([0, 1, 2] if isinstance(sampler, Ancestral | Stochastic) else [])


def test_on_step_sees_every_step_in_order() -> None:
    seen: list[tuple[int, float, float, bool]] = []
    sample(
        lambda z, logsnr, index: z,
        DDIM(),
        COSINE,
        np.ones(SHAPE),
        4,
        on_step=lambda step, z: seen.append((step.index, step.t, step.s, step.last)),
    )
    assert seen == [(0, 1.0, 0.75, False), (1, 0.75, 0.5, False), (2, 0.5, 0.25, False), (3, 0.25, 0.0, True)]


def test_the_state_stays_float32_whatever_the_network_returns() -> None:
    for dtype in (np.float16, np.float32, np.float64):
        got = sample(
            lambda z, logsnr, index, dtype=dtype: (z * 0.5).astype(dtype),
            Heun(),
            COSINE,
            np.ones(SHAPE, np.float32),
            4,
        )
        assert got.dtype == np.float32


def test_coefficients_may_be_arrays_so_that_a_compiled_step_serves_all(asarray: Any, rng: np.random.Generator) -> None:
    z, x_hat, noise = rng.standard_normal((3, *SHAPE)).astype(np.float32)
    plain = Coefficients(0.5, 0.25, 0.125)
    traced = Coefficients(*(asarray(np.asarray(value, dtype=np.float32)) for value in plain))
    got = update(asarray(z), asarray(x_hat), traced, asarray(noise))
    np.testing.assert_allclose(np.asarray(got), update(z, x_hat, plain, noise), rtol=1e-6)


@pytest.mark.parametrize("name", registry.names("sampler"))
def test_every_registered_sampler_runs_with_its_defaults(name: str) -> None:
    got = sample(
        lambda z, logsnr, index: z * 0.0,
        registry.load("sampler", name)(),
        COSINE,
        np.ones(SHAPE),
        3,
        lambda step: np.ones(SHAPE),
    )
    np.testing.assert_array_equal(got, 0.0)


def test_mistakes_are_refused() -> None:
    z = np.ones(SHAPE)
    with pytest.raises(ConfigError, match="num_steps is 0"):
        sample(lambda z, logsnr, index: z, DDIM(), COSINE, z, 0)
    with pytest.raises(ConfigError, match=r"gamma is 1\.5"):
        Ancestral(1.5)
    with pytest.raises(ConfigError, match="was given none"):
        sample(lambda z, logsnr, index: z, Ancestral(), COSINE, z, 2)
    with pytest.raises(ShapeError, match=r"\(2, 2, 3, 4, 3\).*\(1, 2, 3, 4, 3\)"):
        sample(lambda z, logsnr, index: z[:1], DDIM(), COSINE, z, 2)
    with pytest.raises(ShapeError, match="the noise"):
        sample(lambda z, logsnr, index: z, Ancestral(), COSINE, z, 2, lambda step: z[:1])


def test_a_sample_that_is_not_finite_is_an_error() -> None:
    with pytest.raises(NonFiniteError, match="NaN or infinity"):
        sample(lambda z, logsnr, index: z * math.nan, DDIM(), COSINE, np.ones(SHAPE), 2)
