"""JSON in the layout of VBench's `NAME_eval_results.json`: {dimension: [value, [{video_path, video_results}, ...]]}.

A dimension is a metric's label, so that no number passes for VBench's own; what was scored under VBench's own choices
has VBench's name, and behind it the extractor where that is not the profile's or its weights are unverified. A video is
named as VBench names it, `PROMPT-RUN.mp4`, and by its own file where files were scored. A metric of all videos together
has no entries of single ones.

Source: VBench (Huang et al. 2023, 2311.17982), its result files.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from ivbench.config import profile
from ivbench.errors import ConfigError
from ivbench.report.exports.base import Named
from ivbench.report.names import distinct
from ivbench.results.schema import Results, Score

__all__ = ["to_vbench"]

_DIMENSIONS = {
    ("subject_consistency", "vbench"): "subject_consistency",
    ("background_consistency", "vbench"): "background_consistency",
    ("temporal_flickering", "vbench"): "temporal_flickering",
    ("clip_score", "vbench-appearance-style"): "appearance_style",
}
"""(metric, profile) -> VBench's name, of what is VBench's raw value."""


def to_vbench(named: Sequence[Named]) -> bytes:
    """The scores of one cell as VBench writes those of one model; of several cells one such object each, by label.

    Raises:
        ConfigError: several results files.
    """
    if len(named) != 1:
        raise ConfigError(f"a VBench file holds one results file, got {len(named)}. Export each by itself.")
    results = named[0][1]
    cells = [cell for cell in results.cells if cell.scores]
    found = [{_dimension(score): [score.value, _videos(results, score)] for score in cell.scores} for cell in cells]
    labels = distinct([cell.label for cell in cells])
    content = found[0] if len(found) == 1 else dict(zip(labels, found, strict=True))
    return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False).encode() + b"\n"


def _dimension(score: Score) -> str:
    metric, _, rest = score.protocol.partition("/")
    name = rest.partition("@")[0]
    if (metric, name) not in _DIMENSIONS:
        return score.label
    chosen, extractor = profile(name), score.label.partition(" [")[2].removesuffix("]")
    own = {""} if chosen.frames is None else {"", chosen.frames.name}
    if chosen.image_text is not None:
        own.add(f"{chosen.image_text.model} {chosen.image_text.pretrained}")
    found = _DIMENSIONS[metric, name]
    return found if extractor in own else f"{found} [{extractor}]"


def _videos(results: Results, score: Score) -> list[dict[str, Any]]:
    prompts = results.suite.prompts
    return [
        {"video_path": score.units[place] if score.units else f"{prompts[place]}-{run}.mp4", "video_results": value}
        for run, row in enumerate(score.by_prompt)
        for place, value in enumerate(row)
        if value is not None
    ]
