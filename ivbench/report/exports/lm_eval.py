"""JSON in the shape of lm-evaluation-harness's results, so that its dashboards and tables read ours.

A cell is a task; a metric's key is `NAME,EXTRACTOR`, where the harness has its filter. Source: the results file of
lm-evaluation-harness 0.4 (`results`, `versions`, `n-samples`, `higher_is_better`, `configs`, `config`, `git_hash`).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from ivbench.errors import ConfigError
from ivbench.report.exports.base import Named
from ivbench.results.schema import Cell, Results, Score

__all__ = ["to_lm_eval"]

_NO_ERROR = "N/A"


def to_lm_eval(named: Sequence[Named]) -> bytes:
    """One results file as lm-evaluation-harness writes its own.

    Raises:
        ConfigError: several results files: the harness has one a file.
    """
    if len(named) != 1:
        raise ConfigError(f"an lm-eval file holds one results file, got {len(named)}. Export each by itself.")
    results = named[0][1]
    cells = {cell.label: cell for cell in results.cells if cell.scores}
    content = {
        "results": {label: _values(label, cell) for label, cell in cells.items()},
        "group_subtasks": {label: [] for label in cells},
        "configs": {label: _config(results, cell) for label, cell in cells.items()},
        "versions": {label: _version(cell) for label, cell in cells.items()},
        "n-shot": {label: 0 for label in cells},
        "higher_is_better": {
            label: {score.metric: score.higher_is_better for score in cell.scores} for label, cell in cells.items()
        },
        "n-samples": {label: _samples(cell) for label, cell in cells.items()},
        "config": {
            "model": "ivbench",
            "model_args": {"cascade": results.cascade.name, "digest": results.cascade.digest},
            "model_num_parameters": sum(stage.parameters for stage in results.cascade.stages),
            "device": results.environments[0].device if results.environments else None,
            "random_seed": results.suite.seeds[0],
            "command": results.command,
        },
        "git_hash": results.environments[0].git if results.environments else "",
        "date": datetime.fromisoformat(results.created).timestamp(),
        "model_name": results.cascade.name,
    }
    return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False).encode() + b"\n"


def _values(label: str, cell: Cell) -> dict[str, Any]:
    values: dict[str, Any] = {"alias": label}
    for score in cell.scores:
        kind = _filter(score)
        values[f"{score.metric},{kind}"] = float(score.value)
        values[f"{score.metric}_stderr,{kind}"] = _NO_ERROR if score.stderr is None else float(score.stderr)
    return values


def _filter(score: Score) -> str:
    """The extractor, which stands in brackets in a score's label; `none` where it names none."""
    return score.label.partition("[")[2].rstrip("]") or "none"


def _config(results: Results, cell: Cell) -> dict[str, Any]:
    return {
        "task": cell.label,
        "dataset_name": results.suite.name,
        "num_fewshot": 0,
        "metadata": {
            "settings": cell.settings,
            "protocols": {f"{score.metric},{_filter(score)}": score.protocol for score in cell.scores},
        },
    }


def _version(cell: Cell) -> str:
    """The versions of the metrics' profiles, which is what decides whether two numbers may be compared."""
    versions = {score.protocol.partition("@")[2].partition("+")[0] for score in cell.scores}
    return ", ".join(sorted(versions))


def _samples(cell: Cell) -> dict[str, int]:
    counts = [score.counts for score in cell.scores]
    return {"original": max(one.generated for one in counts), "effective": min(one.used for one in counts)}
