"""A baseline: a results file under review, which only a person replaces."""

from __future__ import annotations

from ivbench.check.compare import compare
from ivbench.errors import ConfigError, ProtocolError
from ivbench.results.schema import Results

__all__ = ["updated_baseline"]


def updated_baseline(old: Results, new: Results) -> Results:
    """New results as a baseline, with every old value beside the new one in the notes, for the review.

    Args:
        old: the baseline so far; its protocols may differ, which the notes then say.
        new: what takes its place; its gallery is left out.

    Raises:
        ConfigError: a cell of the new results stopped.
    """
    stopped = [cell.label for cell in new.cells if cell.problem]
    if stopped:
        raise ConfigError(f'the cell "{stopped[0]}" of the new results stopped. A baseline has all its scores.')
    try:
        comparison = compare(old, new)
    except (ConfigError, ProtocolError) as error:
        beside, lost = [f"not comparable with the baseline before: {error}"], []
    else:
        beside = [
            f"{one.cell}, {one.new.label}: {one.new.value:.6g}, before {one.old.value:.6g} ({one.verdict})"
            for one in comparison.changes
        ]
        lost = [f"no longer there: {line}" for line in comparison.missing]
    return new.model_copy(
        update={
            "cells": [cell.model_copy(update={"gallery": []}) for cell in new.cells],
            "ground_truth_gallery": [],
            "notes": [f"baseline of {new.created}, in place of that of {old.created}", *beside, *lost, *new.notes],
        }
    )
