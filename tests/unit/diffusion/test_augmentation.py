from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from ivbench.diffusion import CosineSchedule, augment, logsnr_from_snr, snr_from_logsnr, training_logsnr
from ivbench.errors import ConfigError, ShapeError

SHAPE = (2, 2, 3, 4, 3)


@pytest.mark.parametrize(("snr", "alpha", "sigma"), [(3.0, 0.8660, 0.5), (5.0, 0.9129, 0.4082)])
def test_the_papers_snrs_have_its_coefficients(asarray: Any, snr: float, alpha: float, sigma: float) -> None:
    ones, zeros = np.ones(SHAPE), np.zeros(SHAPE)
    logsnr = logsnr_from_snr(snr)
    np.testing.assert_allclose(np.asarray(augment(asarray(ones), asarray(zeros), logsnr)), alpha, atol=5e-5)
    np.testing.assert_allclose(np.asarray(augment(asarray(zeros), asarray(ones), logsnr)), sigma, atol=5e-5)


def test_snr_and_log_snr_are_inverse() -> None:
    assert snr_from_logsnr(logsnr_from_snr(3.0)) == pytest.approx(3.0, rel=1e-15)


def test_training_sweeps_from_nearly_none_to_an_snr_of_a_half() -> None:
    schedule = CosineSchedule()
    assert training_logsnr(schedule, 0.0) == schedule.logsnr(0.0)
    assert snr_from_logsnr(training_logsnr(schedule, 1.0)) == pytest.approx(0.528, abs=1e-3)


def test_each_video_may_have_its_own_amount(rng: np.random.Generator) -> None:
    video, noise = rng.uniform(-1, 1, SHAPE), rng.standard_normal(SHAPE)
    both = augment(video, noise, np.array([0.0, 3.0]))
    np.testing.assert_allclose(both[1:], augment(video[1:], noise[1:], 3.0), rtol=1e-13)


def test_an_impossible_snr_and_a_wrong_shape_are_refused() -> None:
    for snr in (0.0, -1.0, math.inf, math.nan):
        with pytest.raises(ConfigError, match="above 0 and finite"):
            logsnr_from_snr(snr)
    with pytest.raises(ShapeError, match="must be the same"):
        augment(np.zeros(SHAPE), np.zeros(SHAPE[1:]), 1.0)
