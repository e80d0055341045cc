"""A baseline: a results file under review, which only a person replaces."""

from __future__ import annotations

from ivbench.check.compare import Comparison
from ivbench.results.schema import Results

__all__ = ["updated_baseline"]


def updated_baseline(old: Results, new: Results, comparison: Comparison) -> Results:
    """New results as a baseline, with every old value beside the new one in the notes, for the review.

    Args:
        old: the baseline so far.
        new: what takes its place; its gallery is left out.
        comparison: of the two.
    """
    beside = [
        f"{change.cell}, {change.new.label}: {change.new.value:.6g}, before {change.old.value:.6g} ({change.verdict})"
        for change in comparison.changes
    ]
    lost = [f"no longer there: {line}" for line in comparison.missing]
    return new.model_copy(
        update={
            "cells": [cell.model_copy(update={"gallery": []}) for cell in new.cells],
            "ground_truth_gallery": [],
            "notes": [f"baseline of {new.created}, in place of that of {old.created}", *beside, *lost],
        }
    )
