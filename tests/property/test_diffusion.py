"""Round trips and invariants of the mathematics, over hypothesis' examples."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from ivbench.diffusion import (
    BetaLinearSchedule,
    CosineSchedule,
    LinearSchedule,
    Oscillating,
    SigmoidSchedule,
    Thresholding,
    alpha,
    convert,
    diffuse,
    sigma,
    target,
    to_x,
    weights,
)
from ivbench.diffusion.guidance import combine
from ivbench.diffusion.samplers.ancestral import ancestral_variance, posterior_mean
from ivbench.diffusion.samplers.ddim import ddim_coefficients

SHAPE = (2, 1, 2, 2, 3)
LOGSNR = st.floats(-12.0, 12.0)
KIND = st.sampled_from(["x", "eps", "v"])
VIDEO = arrays(np.float64, SHAPE, elements=st.floats(-4.0, 4.0, width=32))
TIME = st.floats(0.0, 1.0)
few = settings(max_examples=40)


@few
@given(prediction=VIDEO, z=VIDEO, logsnr=LOGSNR, source=KIND, to=KIND)
def test_converting_there_and_back_is_the_identity(
    prediction: Any, z: Any, logsnr: float, source: Any, to: Any
) -> None:
    back = convert(convert(prediction, z, logsnr, source, to), z, logsnr, to, source)
    worst = 1.0 / min(alpha(logsnr), sigma(logsnr)) ** 2
    np.testing.assert_allclose(back, prediction, atol=1e-14 * worst)


@few
@given(prediction=VIDEO, z=VIDEO, logsnr=LOGSNR, kinds=st.tuples(KIND, KIND, KIND))
def test_converting_by_way_of_a_third_kind_is_converting(prediction: Any, z: Any, logsnr: float, kinds: Any) -> None:
    first, second, third = kinds
    detour = convert(convert(prediction, z, logsnr, first, second), z, logsnr, second, third)
    worst = 1.0 / min(alpha(logsnr), sigma(logsnr)) ** 2
    np.testing.assert_allclose(detour, convert(prediction, z, logsnr, first, third), atol=1e-14 * worst)


@few
@given(x=VIDEO, eps=VIDEO, logsnr=st.floats(-12.0, 20.0), kind=KIND)
def test_the_target_of_a_diffused_video_gives_it_back(x: Any, eps: Any, logsnr: float, kind: Any) -> None:
    z = diffuse(x, eps, logsnr)
    got = to_x(target(x, eps, logsnr, kind), z, logsnr, kind)
    np.testing.assert_allclose(got, x, atol=1e-14 / alpha(logsnr))


@few
@given(c=VIDEO, u=VIDEO, z=VIDEO, w=st.floats(-1.0, 20.0), logsnr=st.floats(-6.0, 6.0), kind=KIND)
def test_guidance_commutes_with_conversion(c: Any, u: Any, z: Any, w: float, logsnr: float, kind: Any) -> None:
    there = combine(convert(c, z, logsnr, "x", kind), convert(u, z, logsnr, "x", kind), w)
    np.testing.assert_allclose(convert(there, z, logsnr, kind, "x"), combine(c, u, w), atol=1e-9)


@few
@given(x=VIDEO, percentile=st.floats(0.0, 100.0), kind=st.sampled_from(["static", "dynamic"]))
def test_a_thresholded_video_is_in_range_and_stays_as_it_is(x: Any, percentile: float, kind: Any) -> None:
    threshold = Thresholding(kind, percentile)
    once = threshold(x)
    assert np.abs(once).max() <= 1.0
    np.testing.assert_array_equal(threshold(once), once)
    assert (once * x >= 0.0).all()


@few
@given(x=VIDEO, percentile=st.floats(0.0, 100.0))
def test_dynamic_thresholding_keeps_the_order_of_values(x: Any, percentile: float) -> None:
    for video, result in zip(x, Thresholding("dynamic", percentile)(x), strict=True):
        in_order = result.ravel()[np.argsort(video, axis=None)]
        assert (np.diff(in_order) >= 0.0).all()


@pytest.mark.parametrize(
    "schedule",
    [BetaLinearSchedule(-10.0, 9.2), CosineSchedule(shift=-1.5), LinearSchedule(-8.0, 12.0), SigmoidSchedule()],
)
@few
@given(t=TIME)
def test_the_time_of_a_log_snr_is_its_time(schedule: Any, t: float) -> None:
    assert schedule.time(schedule.logsnr(t)) == pytest.approx(t, abs=1e-9)


@few
@given(logsnr=st.floats(-500.0, 500.0))
def test_signal_and_noise_have_unit_variance_together(logsnr: float) -> None:
    assert alpha(logsnr) ** 2 + sigma(logsnr) ** 2 == pytest.approx(1.0, abs=1e-15)


@few
@given(logsnr_t=LOGSNR, rise=st.floats(1e-3, 10.0), gamma=st.floats(0.0, 1.0))
def test_steps_keep_the_signals_share(logsnr_t: float, rise: float, gamma: float) -> None:
    logsnr_s = logsnr_t + rise
    z, x = posterior_mean(logsnr_t, logsnr_s)
    ddim = ddim_coefficients(logsnr_t, logsnr_s)
    for of_z, of_x in ((z, x), (ddim.z, ddim.x)):
        assert of_z * alpha(logsnr_t) + of_x == pytest.approx(alpha(logsnr_s), abs=2e-15)
    low, high = ancestral_variance(logsnr_t, logsnr_s, 0.0), ancestral_variance(logsnr_t, logsnr_s, 1.0)
    assert low * (1 - 1e-12) <= ancestral_variance(logsnr_t, logsnr_s, gamma) <= high * (1 + 1e-12)


@few
@given(num_steps=st.integers(1, 300), fraction=st.floats(0.0, 1.0), phase=st.sampled_from(["low", "high"]))
def test_oscillation_is_high_at_first_and_then_alternates(num_steps: int, fraction: float, phase: Any) -> None:
    guidance = Oscillating(9.0, 2.0, initial_fraction=fraction, phase=phase)
    got = weights(guidance, "base", num_steps)
    first = guidance.initial_steps(num_steps)
    assert 0 <= first <= num_steps
    assert got[:first] == (9.0,) * first
    assert all(a != b for a, b in zip(got[first:], got[first + 1 :], strict=False))
    if first < num_steps:
        assert got[first] == (2.0 if phase == "low" else 9.0)
