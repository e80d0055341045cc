"""Every stage of every shipped cascade, in PyTorch and in JAX: one evaluation, and a whole guided run of 32 steps."""

from __future__ import annotations

from functools import cache

import pytest

pytest.importorskip("torch")
pytest.importorskip("open_clip")
pytest.importorskip("jax")

from ivbench.results.parity import Parity
from ivbench.run import Models, Silent
from ivbench.run.parity import measure_parity
from ivbench.zoo import list_cards, read_card

pytestmark = pytest.mark.slow
CASCADES = [card.name for card in list_cards() if card.config.kind == "cascade" and card.config.weights]


@cache
def measured(cascade: str) -> Parity:
    return measure_parity(Models(read_card(cascade)), Silent(), prompts=2, steps=32, w=3.0, extractor="clip-probe")


def test_there_is_a_cascade_to_check() -> None:
    assert "shapes-lite" in CASCADES


@pytest.mark.parametrize("cascade", CASCADES)
def test_one_evaluation_of_every_stage_agrees_within_2e_4(cascade: str) -> None:
    found = {check.stage: check.found for check in measured(cascade).checks if check.what.startswith("one evaluation")}
    assert list(found) == [stage.name for stage in read_card(cascade).cascade().stages]
    assert all(0 < difference <= 2e-4 for difference in found.values()), found


@pytest.mark.parametrize("cascade", CASCADES)
def test_a_whole_guided_run_agrees_within_2e_2_at_the_99_9th_percentile(cascade: str) -> None:
    checks = [check for check in measured(cascade).checks if check.what.startswith("whole run")]
    assert all(check.found <= 2e-2 and check.found <= check.maximum for check in checks), checks


@pytest.mark.parametrize("cascade", CASCADES)
def test_the_clip_score_lies_in_its_own_interval(cascade: str) -> None:
    check = measured(cascade).checks[-1]
    assert check.what.startswith("CLIP score")
    assert check.low is not None
    assert check.low <= measured(cascade).clip_score["jax"] <= check.high
