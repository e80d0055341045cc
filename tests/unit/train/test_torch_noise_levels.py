"""Where training looks along the noise, and how much an error there counts."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from ivbench.diffusion import CosineSchedule  # noqa: E402 - after the gate
from ivbench.train.recipe import NormalLogSNR  # noqa: E402
from ivbench.train.torch_noise_levels import draw_logsnr, loss_weights  # noqa: E402

TIMES = (torch.arange(20_000, dtype=torch.float64) + 0.5) / 20_000
SCHEDULE = CosineSchedule()


def test_without_a_distribution_it_is_the_schedule_at_those_times() -> None:
    drawn = draw_logsnr(TIMES[::1000], SCHEDULE)
    np.testing.assert_array_equal(drawn, [SCHEDULE.logsnr(t) for t in TIMES[::1000].tolist()])


def test_nine_tenths_are_normal_and_the_rest_keeps_to_the_schedule() -> None:
    drawn = draw_logsnr(TIMES, SCHEDULE, NormalLogSNR(mean=-1.0, std=2.0))
    scheduled, normal = drawn[:2000], drawn[2000:]
    np.testing.assert_allclose(scheduled, [SCHEDULE.logsnr(t) for t in ((np.arange(2000) + 0.5) / 2000)], atol=1e-9)
    assert normal.mean().item() == pytest.approx(-1.0, abs=1e-6)
    assert normal.std().item() == pytest.approx(2.0, rel=1e-3)
    assert scheduled.min() < -13 < normal.min() + 5


@pytest.mark.parametrize("edge", [0.0, 0.1, 1 - 1e-12])
def test_the_ends_of_the_unit_interval_are_finite(edge: float) -> None:
    drawn = draw_logsnr(torch.tensor([edge], dtype=torch.float64), SCHEDULE, NormalLogSNR(mean=0.0, std=1.0))
    assert torch.isfinite(drawn).all()


@pytest.mark.parametrize("parameterization", ["x", "eps", "v"])
def test_with_a_cap_every_parameterization_has_the_same_loss_of_x(parameterization: str) -> None:
    """An error d of x is alpha/sigma d of eps and d/sigma of v."""
    logsnr = torch.tensor([-9.0, -2.0, 0.0, 1.0, 6.0], dtype=torch.float64)
    snr = logsnr.exp()
    seen = {"x": 1.0, "eps": snr, "v": 1 / torch.sigmoid(-logsnr)}[parameterization]
    weighted = loss_weights(logsnr, parameterization, 4.0) * seen  # type: ignore[arg-type]
    np.testing.assert_allclose(weighted, [0.1, np.exp(-1), 1, np.exp(0.5), 2], rtol=1e-6)


def test_without_a_cap_every_error_counts_alike() -> None:
    weights = loss_weights(torch.tensor([-5.0, 5.0], dtype=torch.float64), "v", None)
    assert weights.dtype == torch.float32
    assert weights.tolist() == [1, 1]
