"""Two results files, cell by cell and metric by metric: new minus old, paired by prompt."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ivbench.check.power import detectable
from ivbench.errors import ConfigError, ProtocolError
from ivbench.metrics.differences import Paired, paired
from ivbench.metrics.protocol import measure, require_same_protocol
from ivbench.results.schema import Cell, Results, Score

__all__ = ["Change", "Comparison", "compare"]

Pairs = Sequence[tuple[Score, Score]]
"""Scores of two cells that are of one measure: old, new."""
ALPHA = 0.025
"""One side of a 95 % interval."""
_WHOSE_WEIGHTS = {"weights", "training_step"}
"""Settings that say whose weights a cell has, and not how they are sampled."""


@dataclass(frozen=True)
class Change:
    """One metric of one cell in both files.

    Attributes:
        cell: its label.
        old, new: the scores.
        paired: new minus old; None where too few prompts leave no interval.
        same_noise: every pair of videos grew from the same noise, as far as the files tell.
        altered: what else than the weights differs in the cell's settings, in words; empty: nothing does.
    """

    cell: str
    old: Score
    new: Score
    paired: Paired | None
    same_noise: bool
    altered: str = ""

    @property
    def gain(self) -> float:
        """New minus old, turned so that positive is better."""
        difference = self.new.value - self.old.value if self.paired is None else self.paired.value
        return difference if self.new.higher_is_better else 0.0 - difference  # never -0

    @property
    def detectable(self) -> float | None:
        """The smallest difference that this many prompts show with 80 % power, two-sided at 95 %."""
        return None if self.paired is None else detectable(self.paired.error, self.paired.units, ALPHA)

    @property
    def verdict(self) -> Literal["better", "worse", "no difference seen", "undecided"]:
        """What the interval says; undecided where a score is marked as deciding nothing."""
        if self.paired is None or not self.paired.decisive:
            return "undecided"
        if not self.paired.significant:
            return "no difference seen"
        return "better" if self.gain > 0 else "worse"


@dataclass(frozen=True)
class Comparison:
    """All that two files share, and what only one of them has.

    Attributes:
        changes: in the order of the old file.
        missing: "cell: what" of the old file that the new one lacks, with the reason: a cell, a metric, a prompt. Also
            cells that only the new file has, where they stopped.
        added: labels of cells that only the new file has, and "cell: metric" of metrics that only its cell has.
        cells: labels of the old file's cells.
        prompts: of both suites.
        conflicts: "cell: why" of scores that have other protocols in the two files, where these are not refused.
        altered: "cell: what" of cells that have one label and other settings, or are of another part of the cascade.
        same_seeds: the seeds of both files agree.
        same_noise: so does all that noise follows from, as far as the files tell.
    """

    changes: tuple[Change, ...]
    missing: tuple[str, ...]
    added: tuple[str, ...]
    cells: tuple[str, ...]
    prompts: int
    conflicts: tuple[str, ...] = ()
    altered: tuple[str, ...] = ()
    same_seeds: bool = False
    same_noise: bool = False

    @property
    def unmatched(self) -> tuple[str, ...]:
        """All that keeps the new file from being measured as the old one was."""
        return (*self.missing, *self.conflicts, *self.altered)


def compare(old: Results, new: Results, refuse: bool = True) -> Comparison:
    """Set two results files against each other.

    Cells are matched by their label, scores by their metric, extractor and profile. A metric that each file has under a
    profile that the other lacks has another protocol in the two files.

    Args:
        old, new: whole files.
        refuse: whether what can't be compared is an error, or left out and said: a metric that has another protocol
            in the two files, files without a common cell.

    Raises:
        ProtocolError: a metric has another protocol in the two files and is refused; names the fields.
        ConfigError: the files share no cell, and that is refused.
    """
    cells = {cell.label: cell for cell in new.cells}
    shared = [cell for cell in old.cells if cell.label in cells]
    if not shared and refuse:
        ours, theirs = (", ".join(f'"{cell.label}"' for cell in results.cells) for results in (old, new))
        raise ConfigError(f"the files share no cell: old has {ours or 'none'}, new has {theirs or 'none'}.")
    changes: list[Change] = []
    conflicts: list[str] = []
    altered: list[str] = []
    missing = [f"{cell.label}: no such cell" for cell in old.cells if cell.label not in cells]
    more: list[str] = []
    same_noise, parts = _same_noise(old, new), (_part(old), _part(new))
    for cell in shared:
        other = cells[cell.label]
        pairs = _pairs(cell, other)
        missing += _lacking(cell, other, pairs)
        more += [f"{cell.label}: {score.label}" for score in _added(other, pairs)]
        differing = _altered(cell, other, parts)
        altered += [f"{cell.label}: {differing}"] if differing else []
        for a, b in pairs:
            try:
                require_same_protocol(a, b)
            except ProtocolError as error:
                if refuse:
                    raise
                conflicts.append(f"{cell.label}: {error}")
                continue
            missing += _lacking_prompts(cell, a, b)
            changes.append(Change(cell.label, a, b, paired(b, a), same_noise and not differing, differing))
    known = tuple(cell.label for cell in old.cells)
    new_cells = [label for label in cells if label not in known]
    missing += [f"{label}: stopped: {cells[label].problem}" for label in new_cells if cells[label].problem]
    said = tuple(missing), (*new_cells, *more), known, len(old.suite.prompts), tuple(conflicts), tuple(altered)
    return Comparison(tuple(changes), *said, old.suite.seeds == new.suite.seeds, same_noise)


def _same_noise(old: Results, new: Results) -> bool:
    """Both drew keyed noise: of the same seeds and prompts, for stages of the same names and sizes."""

    def keys(results: Results) -> tuple[list[int], list[str], list[tuple[str, int, int, int]]]:
        stages = [(stage.name, stage.frames, stage.height, stage.width) for stage in results.cascade.stages]
        return results.suite.seeds, results.suite.prompts, stages

    return old.suite.noise == new.suite.noise == "numpy" and keys(old) == keys(new)


def _part(results: Results) -> str:
    """Which part of the cascade was sampled; a file that does not say it has at least its first stage."""
    cascade = results.cascade
    if cascade.part or not cascade.stages or cascade.stages[0].kind not in ("tsr", "ssr"):
        return cascade.part or "whole"
    return "not recorded"


def _measure(score: Score) -> tuple[str, str]:
    return measure(score.label, score.protocol)


def _pairs(old: Cell, new: Cell) -> list[tuple[Score, Score]]:
    """OLD's scores, each with NEW's of the same measure; of a profile that only OLD has, with one that only NEW has."""
    own = {_measure(score): score for score in new.scores}
    known = {_measure(score) for score in old.scores}
    others = {score.label: score for measured, score in own.items() if measured not in known}
    found = [(score, own.get(_measure(score), others.get(score.label))) for score in old.scores]
    return [(score, other) for score, other in found if other is not None]


def _added(new: Cell, pairs: Pairs) -> list[Score]:
    """What only NEW has."""
    matched = {id(other) for _, other in pairs}
    return [score for score in new.scores if id(score) not in matched]


def _lacking(old: Cell, new: Cell, pairs: Pairs) -> list[str]:
    """What only OLD has, in words."""
    if new.problem:
        return [f"{old.label}: stopped: {new.problem}"]
    matched = {id(score) for score, _ in pairs}
    return [f"{old.label}: no {score.label}" for score in old.scores if id(score) not in matched]


def _lacking_prompts(cell: Cell, old: Score, new: Score) -> list[str]:
    """A line where the old score has a video of a prompt, or of a group of prompts, and the new one has none."""
    for what, rows in (("prompt", (old.by_prompt, new.by_prompt)), ("group", (old.influence, new.influence))):
        before, after = (_present(side) for side in rows)
        lost = sorted(before - after)
        if before and after and lost:
            where = f"{what} {lost[0] + 1}" + (f" and {len(lost) - 1} more" if len(lost) > 1 else "")
            return [f"{cell.label}: {old.label} has no video of {where} of the prompts"]
    return []


def _present(rows: Sequence[Sequence[float | None]]) -> set[int]:
    """The columns that have a value in some row."""
    return {place for row in rows for place, value in enumerate(row) if value is not None and not math.isnan(value)}


def _altered(old: Cell, new: Cell, parts: tuple[str, str]) -> str:
    """In what two cells of one label differ, in words; whose weights they have is what is compared.

    Args:
        old, new: the cells.
        parts: of the cascade, which they sampled.
    """
    before, after = (
        {**cell.settings, "part of the cascade": part} for cell, part in zip((old, new), parts, strict=True)
    )
    keys = sorted((before.keys() | after.keys()) - _WHOSE_WEIGHTS)
    differing = [
        f"{key.replace('_', ' ')} {before.get(key)} / {after.get(key)}"
        for key in keys
        if before.get(key) != after.get(key)
    ]
    return f"other settings: {', '.join(differing)}" if differing else ""
