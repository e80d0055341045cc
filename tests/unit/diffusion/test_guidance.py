from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from ivbench.diffusion import (
    DDIM,
    Constant,
    Heun,
    Oscillating,
    convert,
    guided,
    network_evaluations,
    scale_from_weight,
    weight_from_scale,
    weights,
)
from ivbench.diffusion.guidance import combine
from ivbench.errors import ConfigError, ShapeError

SHAPE = (2, 2, 3, 3, 3)


def test_constant_guidance_is_the_same_everywhere() -> None:
    assert weights(Constant(6.0), "base", 4) == (6.0,) * 4
    assert weights(Constant(6.0), "ssr3", 4) == (6.0,) * 4


def test_oscillating_guidance_of_eight_steps_is_one_high_then_low_high() -> None:
    assert weights(Oscillating(15.0, 1.0), "base", 8) == (15.0, 1.0, 15.0, 1.0, 15.0, 1.0, 15.0, 1.0)


def test_oscillating_guidance_of_256_steps_begins_with_26_high() -> None:
    got = weights(Oscillating(15.0, 1.0), "tsr1", 256)
    assert got[:26] == (15.0,) * 26
    assert got[26:30] == (1.0, 15.0, 1.0, 15.0)
    assert got[-1] == 15.0


def test_the_phase_says_what_follows_the_first_steps() -> None:
    assert weights(Oscillating(15.0, 1.0, phase="high"), "base", 5) == (15.0, 15.0, 1.0, 15.0, 1.0)
    assert weights(Oscillating(15.0, 1.0, initial_fraction=0.0), "base", 3) == (1.0, 15.0, 1.0)


def test_the_first_steps_are_counted_without_rounding_error() -> None:
    assert 0.07 * 100 > 7.0
    assert Oscillating(initial_fraction=0.07).initial_steps(100) == 7
    assert [Oscillating().initial_steps(n) for n in (1, 8, 10, 11, 256)] == [1, 1, 1, 2, 26]


def test_only_the_named_stages_oscillate() -> None:
    guidance = Oscillating(15.0, 1.0, other=6.0, stages=("base",))
    assert weights(guidance, "tsr1", 3) == (6.0, 6.0, 6.0)
    assert weights(guidance, "base", 3) == (15.0, 1.0, 15.0)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Constant(math.nan), "w is nan"),
        (lambda: Oscillating(math.inf), "high is inf"),
        (lambda: Oscillating(initial_fraction=1.5), "initial_fraction is 1.5"),
        (lambda: Oscillating(phase="up"), 'phase is "up"'),
        (lambda: Constant(1.0).weight("base", 4, 4), "steps are 0 to 3"),
    ],
)
def test_guidance_checks_itself(make: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make()


def test_scale_is_one_plus_weight() -> None:
    assert scale_from_weight(6.0) == 7.0
    assert weight_from_scale(scale_from_weight(6.0)) == 6.0
    c, u = np.full(SHAPE, 2.0), np.full(SHAPE, 0.5)
    np.testing.assert_allclose(combine(c, u, weight_from_scale(7.5)), u + 7.5 * (c - u))


def test_weight_minus_one_is_unconditional_and_zero_is_conditional() -> None:
    c, u = np.full(SHAPE, 2.0), np.full(SHAPE, 0.5)
    np.testing.assert_array_equal(combine(c, u, 0.0), c)
    np.testing.assert_array_equal(combine(c, u, -1.0), u)


@pytest.mark.parametrize("kind", ["eps", "v"])
def test_guiding_in_another_space_is_guiding_in_x(asarray: Any, rng: np.random.Generator, kind: Any) -> None:
    z, c, u = (asarray(rng.standard_normal(SHAPE)) for _ in range(3))
    in_x = combine(c, u, 6.0)
    there = combine(convert(c, z, 0.8, "x", kind), convert(u, z, 0.8, "x", kind), 6.0)
    np.testing.assert_allclose(np.asarray(convert(there, z, 0.8, kind, "x")), np.asarray(in_x), atol=1e-12)


class Counting:
    """A denoiser that predicts its conditioning, and counts."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def __call__(self, z: Any, logsnr: float, conditioning: float) -> Any:
        self.calls.append("one")
        return z * 0 + conditioning

    def pair(self, z: Any, logsnr: float, conditioning: float, null: float) -> tuple[Any, Any]:
        self.calls.append("pair")
        return z * 0 + conditioning, z * 0 + null


def test_the_pair_is_evaluated_in_one_call_where_the_denoiser_offers_it() -> None:
    denoiser = Counting()
    predict = guided(denoiser, 2.0, 0.5, denoiser.pair)
    np.testing.assert_array_equal(predict(np.zeros(SHAPE), 0.0, 3.0), 2.0 + 3.0 * 1.5)
    assert denoiser.calls == ["pair"]
    assert predict.nfe == 2


def test_without_a_pair_the_denoiser_is_called_twice() -> None:
    denoiser = Counting()
    predict = guided(denoiser, 2.0, 0.5)
    np.testing.assert_array_equal(predict(np.zeros(SHAPE), 0.0, 3.0), 2.0 + 3.0 * 1.5)
    assert denoiser.calls == ["one", "one"]
    assert predict.nfe == 2


def test_weight_zero_evaluates_the_network_once() -> None:
    denoiser = Counting()
    predict = guided(denoiser, 2.0, 0.5, denoiser.pair)
    np.testing.assert_array_equal(predict(np.zeros(SHAPE), 0.0, 0.0), 2.0)
    assert denoiser.calls == ["one"]
    assert predict.nfe == 1


def test_network_evaluations_are_known_before_the_run() -> None:
    assert network_evaluations(DDIM(), (6.0,) * 8) == 16
    assert network_evaluations(DDIM(), (0.0,) * 8) == 8
    assert network_evaluations(DDIM(), (15.0, 0.0, 15.0)) == 5
    assert network_evaluations(Heun(), (6.0, 0.0, 6.0)) == 2 * 2 + 2 * 1 + 1 * 2


def test_predictions_of_two_shapes_are_refused() -> None:
    with pytest.raises(ShapeError, match=r"\(2, 2, 3, 3, 3\).*\(1, 2, 3, 3, 3\)"):
        combine(np.zeros(SHAPE), np.zeros((1, *SHAPE[1:])), 1.0)
