"""KID: the squared maximum mean discrepancy of frame features under a cubic kernel, without bias."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ivbench.config import Subsets
from ivbench.errors import ConfigError, ShapeError
from ivbench.metrics.base import (
    Batch,
    Conditions,
    Evidence,
    ExtractorKind,
    Metric,
    few_prompts,
    missing,
    or_none,
    require_runs,
    run_scores,
)
from ivbench.metrics.influence import Influence
from ivbench.metrics.intervals import Integers, group_of_prompts
from ivbench.metrics.protocol import Scalar
from ivbench.metrics.statistics import Array, finite_features
from ivbench.results.schema import Counts, Score

__all__ = ["KID", "KIDEvidence", "complete_kid", "cubic_kernel", "kid_influence", "subset_kid"]

_BLOCK = 1024
"""Rows of a kernel matrix at once: memory is 8 N _BLOCK bytes."""


def cubic_kernel(a: Array, b: Array) -> Array:
    """(a . b / D + 1)^3 of every two rows.

    Args:
        a: [N, D] float64.
        b: [M, D] float64.

    Returns:
        [N, M].

    Source: Binkowski et al. 2018 (1801.01401), section 4.
    """
    return np.asarray((a @ b.T / a.shape[1] + 1.0) ** 3)


def complete_kid(generated: Array, reference: Array) -> float:
    """The unbiased estimate from all pairs.

    sum_{i != j} k(x_i, x_j) / (n (n - 1)) + sum_{i != j} k(y_i, y_j) / (m (m - 1)) - 2 mean_ij k(x_i, y_j)

    Args:
        generated: [n, D] float64, n >= 2.
        reference: [m, D] float64, m >= 2.

    Source: Gretton et al. 2012, equation 3.
    """
    own = _pairs(generated, np.zeros(len(generated), np.int64), 1)[0, 0]
    return _within(own, len(generated)) + _of_reference(reference) - 2.0 * float(_across(generated, reference).mean())


def subset_kid(generated: Array, reference: Array, subsets: Subsets) -> float:
    """The mean of unbiased estimates from random subsets of both sides, as torch-fidelity draws them.

    Args:
        generated: [n, D] float64.
        reference: [m, D] float64.
        subsets: how many, of how many rows, and the seed.

    Raises:
        ShapeError: fewer rows than a subset has.
    """
    if min(len(generated), len(reference)) < subsets.size:
        raise ShapeError(
            f"KID's subsets have {subsets.size} rows, got {len(generated)} generated and {len(reference)} reference. "
            "Score more frames, or under a profile without subsets."
        )
    draw = np.random.RandomState(subsets.seed)  # the generator of the tools whose numbers this repeats
    values = []
    for _ in range(subsets.number):
        sides = [rows[draw.choice(len(rows), subsets.size, replace=False)] for rows in (generated, reference)]
        values.append(complete_kid(*sides))
    return float(np.mean(values))


@dataclass(frozen=True, eq=False)
class KIDEvidence(Evidence):
    """All that a score needs of a cell.

    Attributes:
        counted: [R] videos of each run.
        pooled: of all runs together.
        runs: [R] of each run, NaN where it has too few frames.
        influence: of each run's part of each group of prompts on the complete estimate.
    """

    counted: Integers
    pooled: float
    runs: Array
    influence: Influence

    @property
    def videos(self) -> Integers:
        """[R] videos used in each run."""
        return self.counted

    def to_arrays(self) -> dict[str, NDArray[np.generic]]:
        """As arrays to be stored."""
        return {
            "videos": self.counted,
            "pooled": np.array(self.pooled),
            "runs": self.runs,
            "first": self.influence.first,
            "interaction": np.array(self.influence.interaction),
            "curvature": np.array(self.influence.curvature),
        }


class KID(Metric[KIDEvidence]):
    """KID of all frames; lower is better, 0 in expectation for equal distributions, so it may be below 0."""

    name: ClassVar[str] = "kid"
    title: ClassVar[str] = "KID"
    kind: ClassVar[ExtractorKind] = "frames"
    higher_is_better: ClassVar[bool] = False

    def gather(self, batches: Iterable[Batch], conditions: Conditions) -> KIDEvidence:
        """Collect one cell's features, estimate, and weigh groups of videos."""
        group_of = group_of_prompts(conditions.num_prompts)
        parts: list[tuple[int, Integers, Array]] = []
        videos: dict[int, int] = {}
        for batch in (self._checked(one, conditions) for one in batches):
            rows = finite_features(batch.features).reshape(-1, batch.features.shape[-1])
            parts.append((batch.run, np.repeat(group_of[batch.prompts], batch.features.shape[1]), rows))
            videos[batch.run] = videos.get(batch.run, 0) + len(batch.prompts)
        if sum(len(rows) for _, _, rows in parts) < 2:
            raise ShapeError(f"{self.name} needs at least 2 frames, got fewer. Score more videos.")
        reference, estimate = self._rows(conditions), _estimator(conditions)
        features = np.concatenate([rows for _, _, rows in parts])
        groups, places = int(group_of.max()) + 1, {run: place for place, run in enumerate(videos)}
        member = np.concatenate([places[run] * groups + group for run, group, _ in parts])
        runs = [estimate(np.concatenate([rows for run, _, rows in parts if run == one]), reference) for one in videos]
        pooled = runs[0] if len(runs) == 1 else estimate(features, reference)
        influence = kid_influence(features, member, (len(videos), groups), reference)
        return KIDEvidence(np.array(list(videos.values()), np.int64), pooled, np.array(runs), influence)

    def restore(self, arrays: Mapping[str, NDArray[np.generic]]) -> KIDEvidence:
        """Evidence from what its `to_arrays` wrote."""
        first = arrays["first"].astype(np.float64)
        influence = Influence(first, float(arrays["interaction"]), float(arrays["curvature"]))
        runs = arrays["runs"].astype(np.float64)
        return KIDEvidence(arrays["videos"].astype(np.int64), float(arrays["pooled"]), runs, influence)

    def score(
        self,
        evidence: KIDEvidence,
        conditions: Conditions,
        seeds: Sequence[int],
        failed: int = 0,
        context: Mapping[str, float] | None = None,
    ) -> Score:
        """The record of one cell: pooled over runs, with its interval."""
        require_runs(seeds, evidence.videos)
        used = int(evidence.videos.sum())
        few = few_prompts(conditions.num_prompts)
        reference = conditions.reference
        counts = Counts(
            generated=used + failed, failed=failed, used=used, reference=None if reference is None else reference.count
        )
        record = self._record(
            conditions,
            evidence.pooled,
            run_scores(seeds, evidence.runs),
            evidence.influence.interval(evidence.pooled),
            counts,
            context or {},
            not few,
            few,
        )
        found = evidence.influence
        rows = [or_none(run) for run in found.first]
        told = {"influence": rows, "interaction": found.interaction, "curvature": found.curvature}
        return record.model_copy(update=told)

    def _own_fields(self, conditions: Conditions) -> dict[str, Scalar]:
        chosen = conditions.profile.kid
        if conditions.reference is None:
            raise missing(self.name, "a reference set")
        return {
            "kernel": "(x . y / D + 1)^3",
            "estimator": "all pairs" if chosen is None else f"mean of {chosen.number} subsets of {chosen.size}",
            "seed": None if chosen is None else chosen.seed,
            "reference": conditions.reference.digest,
            "reference_count": conditions.reference.count,
        }

    def _rows(self, conditions: Conditions) -> Array:
        reference = conditions.reference
        if reference is None or reference.rows is None:
            raise ConfigError(f"{self.name} needs the reference's features themselves. Score two folders with it.")
        return finite_features(reference.rows)


def kid_influence(features: Array, member: Integers, parts: tuple[int, int], reference: Array) -> Influence:
    """Derivatives of the complete estimate by the weights of parts of the generated rows.

    f(w) = S(w) / N(w) - 2 C(w) / n(w), S = sum_gh w_g w_h S_gh: kernel sums over pairs of two parts, N: their numbers,
    C: sums of each part's mean kernel with the reference, n: rows.

    Args:
        features: [n, D] float64.
        member: [n] part of each row: run x G + group.
        parts: (R, G).
        reference: [m, D] float64.
    """
    groups = parts[0] * parts[1]
    size = np.bincount(member, minlength=groups).astype(np.float64)
    sums = _pairs(features, member, groups)
    numbers: Array = np.outer(size, size) - np.diag(size)
    cross = np.bincount(member, weights=_across(features, reference), minlength=groups).astype(np.float64)
    first, second = _ratio(sums.sum(), 2 * sums.sum(1), 2 * sums, numbers.sum(), 2 * numbers.sum(1), 2 * numbers)
    none = np.zeros((groups, groups))
    line, bend = _ratio(float(cross.sum()), cross, none, float(size.sum()), size, none)
    second = (second - 2.0 * bend) * ~np.eye(groups, dtype=bool)
    first = np.where(size > 0, first - 2.0 * line, np.nan)
    return Influence.of_parts(first.reshape(parts), second.reshape(parts * 2))


def _ratio(s: float, s1: Array, s2: Array, n: float, n1: Array, n2: Array) -> tuple[Array, Array]:
    """First and second derivatives of s / n from those of s and n."""
    mixed = np.outer(s1, n1)
    first = s1 / n - s * n1 / n**2
    second = s2 / n - (mixed + mixed.T) / n**2 - s * n2 / n**2 + 2 * s * np.outer(n1, n1) / n**3
    return first, second


def _pairs(rows: Array, member: Integers, groups: int) -> Array:
    """[G, G] sums of the kernel over pairs of different rows of two groups."""
    one_hot = np.eye(groups)[member]
    total = np.zeros((groups, groups))
    for start, block in _blocks(rows):
        kernel = cubic_kernel(block, rows)
        kernel[np.arange(len(block)), start + np.arange(len(block))] = 0.0
        total += one_hot[start : start + len(block)].T @ kernel @ one_hot
    return total


def _across(rows: Array, reference: Array) -> Array:
    """[n] mean kernel of each row with the reference."""
    return np.concatenate([cubic_kernel(block, reference).mean(axis=1) for _, block in _blocks(rows)])


def _blocks(rows: Array) -> Iterator[tuple[int, Array]]:
    for start in range(0, len(rows), _BLOCK):
        yield start, rows[start : start + _BLOCK]


def _of_reference(reference: Array) -> float:
    return _within(_pairs(reference, np.zeros(len(reference), np.int64), 1)[0, 0], len(reference))


def _within(total: float, count: int) -> float:
    return float(total / (count * (count - 1)))


def _estimator(conditions: Conditions) -> Callable[[Array, Array], float]:
    chosen = conditions.profile.kid
    return complete_kid if chosen is None else lambda rows, reference: subset_kid(rows, reference, chosen)
