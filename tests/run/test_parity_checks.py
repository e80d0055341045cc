"""What `ivbench zoo parity` calls agreement, and that it finds a difference."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("open_clip")
pytest.importorskip("jax")

from ivbench.cascade.jax_model import JaxStageModel
from ivbench.errors import ConfigError
from ivbench.results.parity import Check
from ivbench.run import Models, Silent
from ivbench.run.parity import measure_parity
from ivbench.zoo import read_card
from tests.run.tiny_zoo import CASCADE


@pytest.mark.parametrize(
    ("found", "low", "agrees"), [(1.0, None, True), (1.1, None, False), (0.4, 0.5, False), (np.nan, None, False)]
)
def test_agreement_has_ends_and_nan_is_none(found: float, low: float | None, agrees: bool) -> None:
    check = Check.model_construct(stage="base", what="", found=found, low=low, high=1.0)
    assert check.agrees is agrees


def test_a_backend_that_computes_another_thing_is_found(shipped: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One bias of the second stage differs in JAX: that stage and its followers differ, the first one does not."""
    before = JaxStageModel.__init__

    def altered(self: JaxStageModel, stage: object, weights: dict[str, object], *rest: str) -> None:
        if stage.name == "tsr1":  # type: ignore[attr-defined]
            weights = weights | {"head.bias": np.asarray(weights["head.bias"], np.float32) + 0.1}
        before(self, stage, weights, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(JaxStageModel, "__init__", altered)
    models = Models(read_card(CASCADE, shipped), zoo=shipped)
    found = measure_parity(models, Silent(), prompts=2, steps=1, w=0.0, extractor="clip-probe")
    differing = {(check.stage, check.what.partition(",")[0]) for check in found.checks if not check.agrees}
    assert ("tsr1", "one evaluation") in differing
    assert ("tsr1", "whole run") in differing
    assert not any(stage == "base" for stage, _ in differing)
    assert not found.agrees


def test_an_extractor_without_texts_is_refused(shipped: Path) -> None:
    models = Models(read_card(CASCADE, shipped), zoo=shipped)
    with pytest.raises(ConfigError, match='"frame-probe" embeds no text'):
        measure_parity(models, Silent(), prompts=2, steps=1, w=0.0, extractor="frame-probe")
