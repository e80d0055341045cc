"""A baseline: a results file under review, which only a person replaces."""

from __future__ import annotations

from ivbench.check.compare import compare
from ivbench.errors import ConfigError
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
    comparison = compare(old, new, refuse=False)
    said = [
        f"{one.cell}, {one.new.label}: {one.new.value:.6g}, before {one.old.value:.6g} ({one.verdict})"
        for one in comparison.changes
    ]
    compared = {(one.cell, one.old.label) for one in comparison.changes}
    alone = [
        f"{cell.label}, {score.label}: before {score.value:.6g} (not compared)"
        for cell in old.cells
        for score in cell.scores
        if (cell.label, score.label) not in compared
    ]
    reasons = [*comparison.conflicts, *comparison.altered, *(f"no longer there: {one}" for one in comparison.missing)]
    first = f"baseline of {new.created}, in place of that of {old.created}"
    return new.model_copy(
        update={
            "cells": [cell.model_copy(update={"gallery": []}) for cell in new.cells],
            "ground_truth_gallery": [],
            "notes": [*reasons, *new.notes],
            "origins": [first, *said, *alone, *new.origins],
        }
    )
