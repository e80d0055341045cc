"""JSON in torch-fidelity's keys, as its `fidelity --json` prints: one flat object of numbers.

A key is torch-fidelity's own where a network with its published weights saw the frames; behind it stands any other
extractor, as in the label, so that no probe's number passes for FID. Beside the numbers `ivbench` says label and
protocol of each. KID's spread over subsets is there under a profile with subsets; the F-score is not recorded.

Source: the keys of toshas/torch-fidelity 0.4.0.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from ivbench.errors import ConfigError
from ivbench.report.exports.base import Named
from ivbench.report.names import distinct
from ivbench.results.schema import Cell, Score

__all__ = ["to_torch_fidelity"]

_KEYS = {
    "frame_fid": "frechet_inception_distance",
    "kid": "kernel_inception_distance_mean",
    "precision": "precision",
    "recall": "recall",
}
"""Registry name -> torch-fidelity's key."""


def to_torch_fidelity(named: Sequence[Named]) -> bytes:
    """The scores of one cell as torch-fidelity prints its own; of several cells one such object each, by label.

    Raises:
        ConfigError: several results files, no score that torch-fidelity has, or two that would share a key.
    """
    if len(named) != 1:
        raise ConfigError(f"a torch-fidelity file holds one results file, got {len(named)}. Export each by itself.")
    cells = [cell for cell in named[0][1].cells if any(score.metric in _KEYS for score in cell.scores)]
    if not cells:
        raise ConfigError(f"no score has a key of torch-fidelity's. It has keys of: {', '.join(_KEYS)}.")
    found = [_keys(cell) for cell in cells]
    labels = distinct([cell.label for cell in cells])
    content = found[0] if len(found) == 1 else dict(zip(labels, found, strict=True))
    return json.dumps(content, indent=4, ensure_ascii=False, allow_nan=False).encode() + b"\n"


def _keys(cell: Cell) -> dict[str, Any]:
    scores: dict[str, Score] = {}
    for score in cell.scores:
        if score.metric not in _KEYS:
            continue
        key = _key(score)
        if key in scores:
            raise ConfigError(
                f"{scores[key].protocol} and {score.protocol} would both be {key}. Score them by themselves."
            )
        scores[key] = score
    told = {key: {"label": score.label, "protocol": score.protocol} for key, score in scores.items()}
    found: dict[str, Any] = {key: _as_theirs(score) for key, score in scores.items()}
    for key, score in scores.items():
        if "subset_std" in score.context:
            found[key.replace("_mean", "_std", 1)] = score.context["subset_std"]
    return {**found, "ivbench": told}


def _key(score: Score) -> str:
    _, bracket, extractor = score.label.partition(" [")
    return _KEYS[score.metric] + bracket + extractor


def _as_theirs(score: Score) -> float:
    """A share of 1 where ours is in percent."""
    return score.value / 100 if score.unit == "%" else score.value
