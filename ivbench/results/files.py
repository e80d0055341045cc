"""`results.json` and `results.csv`: written atomically, read with their version checked."""

from __future__ import annotations

import csv
import io
import json
import math
from pathlib import Path
from typing import Any

from ivbench.config import canonical_json, parse
from ivbench.errors import ConfigError, MissingFileError
from ivbench.results.atomic import write_bytes
from ivbench.results.schema import Cell, Results, Score
from ivbench.results.totals import total
from ivbench.results.upgrade import upgrade

__all__ = ["CSV_COLUMNS", "read_results", "tidy_rows", "write_csv", "write_results"]

CSV_COLUMNS = (
    "cell",
    "label",
    "metric",
    "extractor_label",
    "protocol",
    "row",
    "seed",
    "value",
    "unit",
    "higher_is_better",
    "mean",
    "stderr",
    "low",
    "high",
    "interval",
    "generated",
    "failed",
    "used",
    "reference",
    "missing",
    "too_short",
    "undecodable",
    "duplicate",
    "duplicate_used",
    "decisive",
    "partial",
    "guidance_w",
    "scale_g",
    "nfe",
    "flops",
    "seconds",
)
"""`row` is `run` (one value a run, with its seed), `draw` (one value a draw of a null floor) or `headline`; costs are
of one video over all stages; settings follow as columns `setting.<axis>`."""


def write_results(results: Results, path: Path) -> None:
    """Write `results.json`, whole or not at all: canonical JSON, so equal results are equal bytes.

    Raises:
        ConfigError: a number is NaN or infinite; a score never is.
        StoreError: the place can't be written.
    """
    write_bytes(path, canonical_json(results.model_dump(mode="python")).encode() + b"\n")


def read_results(path: Path) -> Results:
    """Read a `results.json` of this or an older version.

    Raises:
        ConfigError: not a results file, a newer version, an unknown key, a wrong type, a name that stands twice.
        MissingFileError: there's no such file.
    """
    try:
        data: Any = json.loads(path.read_text(encoding="utf-8"), parse_constant=_refuse, parse_float=_finite)
        json.dumps(data, ensure_ascii=False).encode()  # which halves of characters ("\\ud800") have no bytes for
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
        raise MissingFileError(f"{path} is not there. Give the results.json of a run.") from error
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path} is not JSON: {error}. Give the results.json of a run.") from error
    if not isinstance(data, dict):
        raise ConfigError(f"{path} is not a results file: an object is expected. Give the results.json of a run.")
    return parse(Results, upgrade(data, str(path)), str(path))


def _finite(text: str) -> float:
    value = float(text)
    return value if math.isfinite(value) else _refuse(text)


def _refuse(constant: str) -> float:
    raise ValueError(f"it holds {constant}, a score must be finite")


def write_csv(results: Results, path: Path) -> None:
    """Write `results.csv`: tidy, a row a cell, metric and run, and one for the headline; the ground truth likewise.

    Raises:
        StoreError: the place can't be written.
    """
    axes = sorted({axis for cell in results.cells for axis in cell.settings})
    file = io.StringIO(newline="")
    writer = csv.DictWriter(file, [*CSV_COLUMNS, *(f"setting.{axis}" for axis in axes)], lineterminator="\n")
    writer.writeheader()
    writer.writerows(tidy_rows(results))
    write_bytes(path, file.getvalue().encode())


def tidy_rows(results: Results) -> list[dict[str, Any]]:
    """The rows of `results.csv`, as `CSV_COLUMNS` and one `setting.<axis>` an axis name them."""
    of_cells = [row for cell in results.cells for score in cell.scores for row in _rows(cell, score)]
    return [*of_cells, *(row for score in results.ground_truth for row in _rows(None, score))]


def _rows(cell: Cell | None, score: Score) -> list[dict[str, Any]]:
    shared: dict[str, Any] = {
        "cell": cell.id if cell else "ground-truth",
        "label": cell.label if cell else "ground truth",
        "metric": score.metric,
        "extractor_label": score.label,
        "protocol": score.protocol,
        "unit": score.unit,
        "higher_is_better": score.higher_is_better,
        **score.counts.model_dump(),
        "decisive": score.decisive,
        "partial": score.partial,
        **(_of_cell(cell) if cell else {}),
    }
    headline = {**shared, "row": "headline", "value": score.value, "mean": score.mean, "stderr": score.stderr}
    if score.interval is not None:
        headline |= {"low": score.interval.low, "high": score.interval.high, "interval": score.interval.method}
    if cell is None and score.counts.reference is not None:
        draws = [{**shared, "row": "draw", "value": run.value} for run in score.runs]
        return [*draws, headline]
    runs = [{**shared, "row": "run", "seed": run.seed, "value": run.value} for run in score.runs]
    return [*runs, headline]


def _of_cell(cell: Cell) -> dict[str, Any]:
    """Guidance, costs and settings; none where one of a stage is unknown."""
    return {
        "guidance_w": cell.guidance_w,
        "scale_g": cell.scale_g,
        "nfe": total(cost.nfe for cost in cell.costs),
        "flops": total(cost.flops for cost in cell.costs),
        "seconds": total(cost.seconds for cost in cell.costs),
        **{f"setting.{axis}": value for axis, value in cell.settings.items()},
    }
