"""What gives a folder's number its scale: what real videos of the reference score, against each other or alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ivbench.config import digest
from ivbench.errors import ShapeError
from ivbench.metrics import ComparedMetric, Conditions, Metric, NullFloor
from ivbench.metrics.mean_metric import MeanMetric
from ivbench.results.store import Store
from ivbench.run.folder_features import FolderFeatures, blocks

__all__ = ["FLOOR_DRAWS", "folder_floor", "real_value"]

FLOOR_DRAWS = 20
_FORMAT = 1
_SEED = 20221005


def folder_floor(
    metric: ComparedMetric,
    conditions: Conditions,
    real: FolderFeatures,
    generated: int,
    store: Store,
    draws: int = FLOOR_DRAWS,
) -> NullFloor | None:
    """Score as many real videos as were generated, but half of them at most, against the others, again and again.

    Every real video is in many draws, which narrows their spread: it is spread back as in `null_floor`.

    Args:
        metric: of the floor.
        conditions: of the score, with the reference.
        real: features of the reference's videos.
        generated: how many videos were.
        store: keeps the floor.
        draws: how many; seeded.

    Returns:
        The floor, or None where the videos are too few for this metric.
    """
    assert conditions.reference is not None
    count = min(generated, len(real.items) // 2)
    payload = {
        "kind": "folder-floor",
        "format": _FORMAT,
        "protocol": metric.protocol(conditions, count).id,
        "order": [item.digest for item in real.items],
        "draws": draws,
    }
    entry = digest(payload)
    kept = store.get(entry)
    if kept is not None:
        return NullFloor.from_arrays(kept)
    generator = np.random.Generator(np.random.Philox(key=_SEED))
    try:
        values = [_draw(metric, conditions, real, generator.permutation(len(real.items)), count) for _ in range(draws)]
    except ShapeError:
        return None
    mean = np.mean(values)
    spread = mean + (np.array(values) - mean) / np.sqrt(1 - count / len(real.items))
    floor = NullFloor(spread, count, len(real.items) - count, of_prompts=False)
    store.put(entry, floor.to_arrays(), {"kind": "folder-floor", "metric": metric.name})
    return floor


def real_value(
    metric: MeanMetric, conditions: Conditions, real: FolderFeatures, generated: int, draws: int = FLOOR_DRAWS
) -> float | None:
    """What real videos score under a mean over videos: all of them; where it compares, a part against the others.

    Args:
        metric: without captions.
        conditions: of the score.
        real: features of the reference's videos.
        generated: how many videos were; the part has as many, but half of the real ones at most.
        draws: of the part; seeded.

    Returns:
        The mean over the draws, or None without draws or where the videos are too few for this metric.
    """
    places = list(range(len(real.items)))
    if not metric.compares:
        return _mean_of(metric, conditions, real, places)
    count = min(generated, len(places) // 2)
    generator = np.random.Generator(np.random.Philox(key=_SEED))
    values = []
    for _ in range(draws):
        order = generator.permutation(len(places)).tolist()
        rest = sorted(order[count:])
        try:
            reference = metric.prepare(_features(metric, real, rest), "the rest", len(rest))
            values.append(_mean_of(metric, replace(conditions, reference=reference), real, sorted(order[:count])))
        except (ShapeError, ValueError):  # too few for neighbours, or none
            return None
    return float(np.mean(values)) if values else None


def _mean_of(metric: MeanMetric, conditions: Conditions, real: FolderFeatures, places: list[int]) -> float:
    judge = metric.judge(conditions)
    parts = (np.asarray(part) for part in _features(metric, real, places))
    return float(np.concatenate([judge(part, np.arange(len(part)))["value"] for part in parts]).mean())


def _draw(
    metric: ComparedMetric, conditions: Conditions, real: FolderFeatures, order: NDArray[np.int64], count: int
) -> float:
    rest = sorted(order[count:].tolist())
    reference = metric.prepare(_features(metric, real, rest), "the rest", len(rest))
    rows = [metric.rows(part) for part in _features(metric, real, sorted(order[:count].tolist()))]
    if not rows:
        raise ShapeError("a null floor needs 2 reference videos or more.")
    return metric.measure(replace(conditions, reference=reference))(np.concatenate(rows))


def _features(metric: Metric[Any], real: FolderFeatures, places: list[int]) -> Iterator[NDArray[np.float32]]:
    chosen = FolderFeatures(features=[real.features[place] for place in places])
    return (part for _, part in blocks(chosen, metric.kind))
