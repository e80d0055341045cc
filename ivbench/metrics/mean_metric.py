"""What CLIP score and its like share: a value a video, the mean of per-prompt means, cluster bootstrap, records."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ivbench.errors import ShapeError
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
from ivbench.metrics.intervals import (
    Integers,
    bootstrap_interval,
    percentage_interval,
    prompt_means,
    weighted_mean,
)
from ivbench.metrics.protocol import Scalar
from ivbench.metrics.statistics import Array
from ivbench.metrics.texts import Texts
from ivbench.results.schema import Counts, Score

__all__ = ["MeanEvidence", "MeanMetric"]

_COLUMN = "column_"
_WEIGHT = "weight"


@dataclass(frozen=True, eq=False)
class MeanEvidence(Evidence):
    """Values of each video.

    Attributes:
        run: [V] int: which run, from 0.
        prompt: [V] int: the suite's index of its prompt.
        columns: name -> [V] float64; `value` is the metric's own, `weight`, where it is there, what a video counts; the
            others stand beside it.
    """

    run: Integers
    prompt: Integers
    columns: Mapping[str, Array]

    @property
    def videos(self) -> Integers:
        """[R] videos used in each run."""
        return np.unique(self.run, return_counts=True)[1].astype(np.int64)

    def by_prompts(self, column: str = "value") -> tuple[Array, Array | None]:
        """[P'] mean over a prompt's videos, of prompts that have some; and [P'] what each counts, None: all alike."""
        weights = self.columns.get(_WEIGHT)
        _, means, totals = prompt_means(self.prompt, self.columns[column], weights)
        return means, None if weights is None else totals

    def mean(self, column: str) -> float:
        """Mean over prompts of the mean over a prompt's videos; with weights over all videos."""
        return weighted_mean(*self.by_prompts(column))

    def of_run(self, run: int) -> MeanEvidence:
        """The videos of one run alone."""
        pick = self.run == run
        columns = {name: values[pick] for name, values in self.columns.items()}
        return MeanEvidence(self.run[pick], self.prompt[pick], columns)

    def by_prompt(self, num_prompts: int) -> list[Array]:
        """For each of the R runs [P] mean of `value` over each prompt's videos, NaN for a prompt without any."""
        rows = []
        for one in map(self.of_run, np.unique(self.run)):
            row = np.full(num_prompts, np.nan)
            row[np.unique(one.prompt)] = one.by_prompts()[0]
            rows.append(row)
        return rows

    def to_arrays(self) -> dict[str, NDArray[np.generic]]:
        """As arrays to be stored: `run`, `prompt`, and `column_*`."""
        return {"run": self.run, "prompt": self.prompt, **{_COLUMN + k: v for k, v in self.columns.items()}}


class MeanMetric(Metric[MeanEvidence]):
    """A mean over videos; most are of images against texts, and higher is better.

    Under a profile whose `mean` is of items, a video counts as many times as `items` says, in the value, in those of
    runs, and in the interval; paired differences of two cells still count prompts alike.
    """

    kind: ClassVar[ExtractorKind] = "image_text"
    higher_is_better: ClassVar[bool] = True

    @abstractmethod
    def values(self, images: NDArray[np.floating], prompts: Integers, conditions: Conditions) -> dict[str, Array]:
        """Values of each video.

        Args:
            images: [B, T, D] float: embeddings of all frames.
            prompts: [B] int.
            conditions: with texts.

        Returns:
            Columns [B] float64; `value` is the metric's own.
        """

    def items(self, features: NDArray[np.floating]) -> int:
        """Of how many items a video's value is the mean, from [B, T, D] or [B, D] features; here of the video alone."""
        return 1

    def judge(self, conditions: Conditions) -> Callable[[NDArray[np.floating], Integers], dict[str, Array]]:
        """`values` under these conditions; what all batches share is prepared once."""
        return lambda features, prompts: self.values(features, prompts, conditions)

    def _context(self, evidence: MeanEvidence, conditions: Conditions) -> dict[str, float]:
        """The values that give the number a scale, from the evidence itself."""
        return {}

    def gather(self, batches: Iterable[Batch], conditions: Conditions) -> MeanEvidence:
        """Stream one cell's embeddings into values a video."""
        runs: list[Integers] = []
        prompts: list[Integers] = []
        columns: dict[str, list[Array]] = {}
        values_of = self.judge(conditions)
        for batch in (self._checked(one, conditions) for one in batches):
            runs.append(np.full(len(batch.prompts), batch.run, np.int64))
            prompts.append(np.asarray(batch.prompts, np.int64))
            found = values_of(batch.features, batch.prompts)
            if conditions.profile.mean == "items":
                found[_WEIGHT] = np.full(len(batch.prompts), float(self.items(batch.features)))
            for name, values in found.items():
                columns.setdefault(name, []).append(values)
        if not sum(len(one) for one in runs):
            raise ShapeError(f"{self.name} got no videos; at least 1 is needed. Sample this cell first.")
        joined = {name: np.concatenate(parts) for name, parts in columns.items()}
        return MeanEvidence(np.concatenate(runs), np.concatenate(prompts), joined)

    def restore(self, arrays: Mapping[str, NDArray[np.generic]]) -> MeanEvidence:
        """Evidence from what its `to_arrays` wrote."""
        columns = {
            name.removeprefix(_COLUMN): values.astype(np.float64)
            for name, values in arrays.items()
            if name.startswith(_COLUMN)
        }
        return MeanEvidence(arrays["run"].astype(np.int64), arrays["prompt"].astype(np.int64), columns)

    def score(
        self,
        evidence: MeanEvidence,
        conditions: Conditions,
        seeds: Sequence[int],
        failed: int = 0,
        context: Mapping[str, float] | None = None,
    ) -> Score:
        """The record of one cell: mean over prompts, or over items, with its interval."""
        require_runs(seeds, evidence.videos)
        means, weights = evidence.by_prompts()
        percent = self.unit == "%"
        interval = percentage_interval(means, weights) if percent else bootstrap_interval(means, weights=weights)
        used = len(evidence.run)
        by_prompt = evidence.by_prompt(conditions.num_prompts)
        record = self._record(
            conditions,
            weighted_mean(means, weights),
            run_scores(seeds, np.array([evidence.of_run(run).mean("value") for run in np.unique(evidence.run)])),
            interval,
            Counts(
                generated=used + failed,
                failed=failed,
                used=used,
                reference=None if conditions.reference is None else conditions.reference.count,
            ),
            {**self._context(evidence, conditions), **(context or {})},
            not few_prompts(len(means)),
            [*self._notes(evidence, conditions), *few_prompts(len(means), conditions.prompts)],
        )
        return record.model_copy(update={"by_prompt": [or_none(row) for row in by_prompt]})

    def _notes(self, evidence: MeanEvidence, conditions: Conditions) -> list[str]:
        cut = 0 if conditions.texts is None else conditions.texts.truncated
        many = f"{cut} of {conditions.num_prompts} prompts are" if cut != 1 else "1 prompt is"
        return [f"{many} longer than {conditions.source.name} reads: it did not see the end"] if cut else []

    def _own_fields(self, conditions: Conditions) -> dict[str, Scalar]:
        chosen = conditions.profile
        fields: dict[str, Scalar] = {} if chosen.mean == "prompts" else {"mean": f"over {chosen.mean}"}
        if conditions.texts is not None:
            fields["text_prefix"] = chosen.prefix or "none"
            fields["truncated_prompts"] = conditions.texts.truncated
        return fields

    def _texts(self, conditions: Conditions) -> Texts:
        if conditions.texts is None:
            raise missing(self.name, "text embeddings of the prompts")
        return conditions.texts
