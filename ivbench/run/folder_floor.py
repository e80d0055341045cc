"""The null floor of a folder: what a part of its videos scores against the rest."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ivbench.config import digest
from ivbench.errors import ShapeError
from ivbench.metrics import ComparedMetric, Conditions, NullFloor
from ivbench.results.store import Store
from ivbench.run.folder_features import FolderFeatures, blocks

__all__ = ["FLOOR_DRAWS", "folder_floor"]

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


def _draw(
    metric: ComparedMetric, conditions: Conditions, real: FolderFeatures, order: NDArray[np.int64], count: int
) -> float:
    rest = sorted(order[count:].tolist())
    reference = metric.prepare(_features(metric, real, rest), "the rest", len(rest))
    rows = [metric.rows(part) for part in _features(metric, real, sorted(order[:count].tolist()))]
    if not rows:
        raise ShapeError("a null floor needs 2 reference videos or more.")
    return metric.measure(replace(conditions, reference=reference))(np.concatenate(rows))


def _features(metric: ComparedMetric, real: FolderFeatures, places: list[int]) -> Iterator[NDArray[np.float32]]:
    chosen = FolderFeatures(features=[real.features[place] for place in places])
    return (part for _, part in blocks(chosen, metric.kind))
