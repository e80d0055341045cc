"""Results files of older versions, brought to the present one step at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ivbench.errors import ConfigError
from ivbench.results.schema import RESULTS_VERSION

__all__ = ["UPGRADES", "upgrade"]

Step = Callable[[dict[str, Any]], dict[str, Any]]


def _to_2(data: dict[str, Any]) -> dict[str, Any]:
    """Version 2 adds a score's `by_prompt` and `left_out`, which are empty where an old run did not keep them."""
    return data


def _to_3(data: dict[str, Any]) -> dict[str, Any]:
    """Version 3 has `influence` and `interaction` in the place of `left_out`; old runs have none."""
    for holder, key in [(data, "ground_truth"), *((cell, "scores") for cell in _objects(data, "cells"))]:
        for score in _objects(holder, key):
            score.pop("left_out", None)
    return data


def _objects(holder: dict[str, Any], key: str) -> list[dict[str, Any]]:
    """The objects of a list; what is no list or no object stays, and is refused when the whole file is checked."""
    found = holder.get(key)
    return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []


UPGRADES: Mapping[int, Step] = {1: _to_2, 2: _to_3}
"""From a version to the next: `UPGRADES[1]` makes a version 2 of a version 1. Version 1 is the first."""


def upgrade(
    data: dict[str, Any], where: str, current: int = RESULTS_VERSION, steps: Mapping[int, Step] = UPGRADES
) -> dict[str, Any]:
    """Bring the content of a results file to a version.

    Args:
        data: the parsed JSON.
        where: how messages call the file.
        current: the version wanted.
        steps: the step from each version to the next.

    Raises:
        ConfigError: not a results file, or of a version that can't be read here.
    """
    version = data.get("version")
    if data.get("format") != "ivbench-results" or isinstance(version, bool) or not isinstance(version, int):
        raise ConfigError(f'{where} is not a results file: "format": "ivbench-results" and "version" are needed.')
    if version > current:
        raise ConfigError(f"{where} has version {version}, this ivbench reads up to {current}. Update ivbench.")
    while version < current:
        if version not in steps:
            raise ConfigError(f"{where} has version {version}, which can't be upgraded to {current}. Run it again.")
        data = {**steps[version](data), "version": version + 1}
        version += 1
    return data
