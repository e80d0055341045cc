"""JSON in the shape of lm-evaluation-harness's results, so that its dashboards and tables read ours.

A cell is a task, and so is the ground truth; a metric's key is `NAME,EXTRACTOR`, where the harness has its filter.
Source: the results file of lm-evaluation-harness 0.4 (`results`, `versions`, `n-samples`, `higher_is_better`,
`configs`, `config`, `git_hash`).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from ivbench.errors import ConfigError
from ivbench.report.exports.base import Named
from ivbench.report.names import distinct, variant
from ivbench.results.schema import Cell, Results, Score
from ivbench.results.totals import total

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
    tasks = _tasks(results)
    content = {
        "results": {label: _values(label, scores) for label, (scores, _) in tasks.items()},
        "group_subtasks": {label: [] for label in tasks},
        "configs": {label: _config(results, label, *task) for label, task in tasks.items()},
        "versions": {label: _version(scores) for label, (scores, _) in tasks.items()},
        "n-shot": dict.fromkeys(tasks, 0),
        "higher_is_better": {
            label: {score.metric: score.higher_is_better for score in scores} for label, (scores, _) in tasks.items()
        },
        "n-samples": {label: _samples(scores) for label, (scores, _) in tasks.items()},
        "config": {
            "model": "ivbench",
            "model_args": {
                "cascade": results.cascade.name,
                "digest": results.cascade.digest,
                **({"partial": results.cascade.partial} if results.cascade.partial else {}),
            },
            "model_num_parameters": total(stage.parameters for stage in results.cascade.stages),
            "device": results.environments[0].device if results.environments else None,
            "random_seed": next(iter(results.suite.seeds), None),
            "command": results.command,
            "stopped": {cell.label: cell.problem for cell in results.cells if not cell.complete},
        },
        "git_hash": results.environments[0].git if results.environments else "",
        "date": datetime.fromisoformat(results.created).timestamp(),
        "model_name": results.cascade.name,
    }
    return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False).encode() + b"\n"


def _tasks(results: Results) -> dict[str, tuple[list[Score], Cell | None]]:
    """The scores of each cell and of the ground truth, those without a score left out."""
    rows = [(cell.label, cell.scores, cell) for cell in results.cells]
    found = [row for row in (*rows, ("ground truth", results.ground_truth, None)) if row[1]]
    labels = distinct([label for label, _, _ in found])
    return {label: (scores, cell) for label, (_, scores, cell) in zip(labels, found, strict=True)}


def _values(label: str, scores: Sequence[Score]) -> dict[str, Any]:
    values: dict[str, Any] = {"alias": label}
    for score in scores:
        kind = _filter(score)
        values[f"{score.metric},{kind}"] = float(score.value)
        values[f"{score.metric}_stderr,{kind}"] = _NO_ERROR if score.stderr is None else float(score.stderr)
    return values


def _filter(score: Score) -> str:
    return " ".join(variant(score)) or "none"


def _config(results: Results, label: str, scores: Sequence[Score], cell: Cell | None) -> dict[str, Any]:
    return {
        "task": label,
        "dataset_name": results.suite.name,
        "num_fewshot": 0,
        "metadata": {
            "settings": {} if cell is None else cell.settings,
            "protocols": {f"{score.metric},{_filter(score)}": score.protocol for score in scores},
            "undecided": [f"{score.metric},{_filter(score)}" for score in scores if not score.decisive],
        },
    }


def _version(scores: Sequence[Score]) -> str:
    """The versions of the metrics' profiles, which is what decides whether two numbers may be compared."""
    versions = {score.protocol.partition("@")[2].partition("+")[0] for score in scores}
    return ", ".join(sorted(versions))


def _samples(scores: Sequence[Score]) -> dict[str, int]:
    counts = [score.counts for score in scores]
    return {"original": max(one.generated for one in counts), "effective": min(one.used for one in counts)}
