"""One number of `results.json`, with its interval, counts and protocol."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, field_validator

__all__ = ["Counts", "Interval", "Nearest", "Range", "Record", "RunScore", "Score"]


class Record(BaseModel):
    """Base of every record: frozen, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Interval(Record):
    """A confidence interval and how it was made."""

    low: float
    high: float
    level: float = 0.95
    method: str = Field(description="e.g. 'sign flips over 64 prompts'")


class Range(Record):
    """Least and largest value over repeats of a measurement: no confidence interval."""

    low: float
    high: float
    repeats: int


class Counts(Record):
    """How many videos stand behind a number: generated = failed + used."""

    generated: int = Field(description="asked for")
    failed: int = Field(description="of them not used, for whatever reason")
    used: int
    reference: int | None = None
    missing: int = Field(default=0, description="failed: there is no video of the prompt and sample")
    too_short: int = Field(default=0, description="failed: fewer frames than are scored")
    undecodable: int = Field(default=0, description="failed: the file cannot be read")
    duplicate: int = Field(default=0, description="failed: the same file as another sample of its prompt")
    duplicate_used: int = Field(
        default=0, description="used: the same file as an earlier one of a folder, which is scored as it is"
    )


class RunScore(Record):
    """One run's value."""

    seed: int
    value: float


class Nearest(Record):
    """The real video nearest to a generated one, by the features of a metric."""

    file: str = Field(description="of the real video, within its folder")
    distance: float = Field(description="between the two, in units of the features")
    spacing: float = Field(description="between the real video and its own nearest real one; a copy is not farther")


class Score(Record):
    """One number of one cell, or of the ground truth, with all that decides it."""

    metric: str = Field(description="registry name: frame_fid, fvd, clip_score, r_precision, ...")
    label: str = Field(description="as shown, with the extractor: 'frame FID [shapes-frame]'")
    protocol: str = Field(description="metric/profile@version+hash")
    fields: dict[str, str | int | float | bool | None] = Field(description="what the protocol's hash covers")
    value: float = Field(description="headline: pooled over runs for a Frechet metric, mean over prompts for a mean")
    runs: list[RunScore] = Field(description="one value a run, by the paper's convention")
    by_prompt: list[list[float | None]] = Field(
        default_factory=list,
        description="of a mean: a list a run, the value of each prompt in suite order; None = no video of it",
    )
    units: list[str] = Field(
        default_factory=list,
        description="of folders, where by_prompt has values: the file that each is of, or the caption; empty: the "
        "suite's prompts",
    )
    nearest: list[Nearest] = Field(
        default_factory=list,
        description="of authenticity of folders: for each of `units`, the real video that is nearest to it",
    )
    influence: list[list[float | None]] = Field(
        default_factory=list,
        description="of a Frechet metric: a list a run, the derivative of the value by the weight of the run's videos "
        "of each group of prompts; None = no video of it",
    )
    interaction: float = Field(
        default=0.0, description="of a Frechet metric: sum over pairs of groups of the squared second derivative"
    )
    curvature: float = Field(
        default=0.0, description="of a Frechet metric: variance of its quadratic part by noise, prompts held fixed"
    )
    mean: float = Field(description="mean over runs")
    stderr: float | None = Field(description="standard error over runs; None with one run")
    interval: Interval | None
    higher_is_better: bool
    unit: str = Field(default="", description="'%' for R-Precision")
    counts: Counts
    context: dict[str, float] = Field(
        default_factory=dict,
        description="values that give the number a scale: ground_truth, shuffled, chance, null_mean, null_q95, ...",
    )
    decisive: bool = Field(default=True, description="False where too few samples: shown, decides nothing")
    partial: bool = Field(default=False, description="the weights were loaded in part: not the checkpoint's number")
    notes: list[str] = Field(default_factory=list, description="warnings shown beside the number")

    @field_validator("by_prompt", "influence")
    @classmethod
    def _one_length(cls, rows: list[list[float | None]]) -> list[list[float | None]]:
        if len({len(row) for row in rows}) > 1 or [] in rows:
            raise ValueError("every run has a value, or none, of every prompt or group of prompts")
        return rows
