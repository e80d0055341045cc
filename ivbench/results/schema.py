"""`results.json`, version 3: everything that a report, a comparison or a gate may say, and nothing else.

Written by score (a run), read by report, check and compare. Every field is described; readers never compute a
statistic. Older versions are upgraded on read (`ivbench.results.upgrade`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable
from datetime import datetime, timedelta
from typing import Literal

from pydantic import Field, field_validator

from ivbench.results.score import Counts, Interval, Nearest, Range, Record, RunScore, Score

__all__ = [
    "RESULTS_VERSION",
    "CascadeInfo",
    "Cell",
    "Conclusion",
    "Counts",
    "Difference",
    "Environment",
    "GalleryEntry",
    "Interval",
    "Nearest",
    "Published",
    "PublishedDifference",
    "PublishedSteps",
    "Range",
    "Results",
    "RunScore",
    "Score",
    "StageCost",
    "StageInfo",
    "StageSample",
    "SuiteInfo",
    "TimeModel",
]

RESULTS_VERSION = 3


def _all_different(what: str, names: Iterable[Hashable]) -> None:
    for name, times in Counter(names).items():
        if times > 1:
            raise ValueError(f"got {name!r} {times} times, each {what} stands once")


class StageCost(Record):
    """What one stage of a cell costs for one video."""

    stage: str
    sampler: str
    steps: int | None = Field(description="None: it has no such setting, or its own default")
    nfe: int | None = Field(description="network evaluations a video; guidance doubles. None: unknown")
    rounds: int = Field(
        default=0, description="the same with guidance's two evaluations counted as one, as in parallel; 0: unknown"
    )
    flops: float | None = Field(description="1 MAC = 2 FLOPs; None: unknown")
    seconds: float | None = Field(default=None, description="measured: warm, fixed batch, never from a cache")
    repeats: list[float] = Field(
        default_factory=list, description="seconds a video in each repeat, whose median `seconds` is; empty: not kept"
    )
    peak_memory_mib: float | None = None


class StageSample(Record):
    """What one stage made of a sample on its way through the cascade."""

    stage: str
    sample: str = Field(description="path of the sprite strip, relative to results.json")
    frames: int
    fps: float


class GalleryEntry(Record):
    """A sample shown in the report."""

    prompt: str
    prompt_index: int
    sample: str = Field(description="path of the sprite strip (WebP, frames side by side), relative to results.json")
    frames: int
    fps: float
    scores: dict[str, float] = Field(default_factory=dict, description="per-sample values, e.g. clip_score")
    stages: list[StageSample] = Field(
        default_factory=list, description="the same sample after each earlier stage, in order; the last is `sample`"
    )


class Published(Record):
    """A value that a paper reports for the same settings. It has another protocol, so it is shown, never compared."""

    metric: str = Field(description="as a score's, or `seconds`: sampling time of one video")
    value: float
    stderr: float | None = None
    source: str = Field(description="as readers cite it: 'Imagen Video, Table 1'")


class Cell(Record):
    """One point of the grid on one cascade."""

    id: str
    label: str = Field(description="short, unique within the results: 'w=3 ddim 32'")
    settings: dict[str, str | int | float | bool | None] = Field(description="the grid's axes, flat, for tables")
    guidance_w: float | None = Field(description="constant guidance weight w, where the cell has one")
    scale_g: float | None = Field(description="the same as scale g = 1 + w")
    costs: list[StageCost]
    timing: str = Field(default="", description="how the seconds were measured: device, batch, warm-up, repeats")
    scores: list[Score]
    gallery: list[GalleryEntry]
    published: list[Published] = Field(default_factory=list, description="what a paper reports for these settings")
    complete: bool = True
    problem: str = Field(default="", description="why the cell has no scores, where it has none")

    @field_validator("scores")
    @classmethod
    def _each_once(cls, scores: list[Score]) -> list[Score]:
        _all_different("label and protocol", [(score.label, score.protocol) for score in scores])
        return scores


class Difference(Record):
    """A paired difference between two cells: a minus b."""

    a: str = Field(description="cell id")
    b: str
    metric: str
    protocol: str
    value: float
    interval: Interval
    significant: bool = Field(description="the interval excludes 0 and both scores decide")
    by_prompt: list[float | None] = Field(
        default_factory=list,
        description="of a mean: the difference of each prompt in suite order, mean over runs; None = no video of it",
    )


class Conclusion(Record):
    """A conclusion on two cells, a paper's or one's own, put to the test."""

    text: str = Field(description="the conclusion in words")
    kind: Literal["non_inferior", "equivalent", "better", "ratio"]
    of: str = Field(description="cell id that it speaks of")
    to: str = Field(description="cell id that it is held against")
    quantity: str = Field(default="", description="a score's label, or a cost: seconds, seconds_parallel, flops, nfe")
    value: float | None = Field(default=None, description="of minus to; for a ratio to over of")
    interval: Interval | None = Field(default=None, description="of a difference")
    range: Range | None = Field(default=None, description="of a ratio of seconds; a ratio of FLOPs or NFE is exact")
    bound: float | None = Field(
        default=None,
        description="non_inferior: the one-sided 95 % bound of the difference; equivalent: of its two the farther one",
    )
    threshold: float | None = Field(default=None, description="the margin, or the ratio that is asked for")
    tolerance: float | None = Field(default=None, description="of a ratio near the threshold, relative")
    published: float | None = Field(default=None, description="None: a test of one's own")
    verdict: Literal["holds", "fails", "undecided"] = "undecided"


class PublishedDifference(Record):
    """The difference of two cells, a minus b, in combined standard errors: in our table and in the published one."""

    a: str = Field(description="cell id")
    b: str
    metric: str
    measured: float | None
    published: float | None


class PublishedSteps(Record):
    """Published seconds of a step, where guidance's two evaluations run in parallel."""

    base: float
    super_resolution: float = Field(description="of all super-resolution stages together")
    source: str


class TimeModel(Record):
    """Sampling time of one video: constant + base x evaluations of the base + super_resolution x all others."""

    constant: float = Field(description="seconds")
    base: float = Field(description="seconds an evaluation of the base model")
    super_resolution: float = Field(description="seconds an evaluation of every super-resolution stage, their mean")
    largest_error: float = Field(description="relative, over the cells that it was fitted to")
    super_resolution_step: float | None = Field(
        default=None,
        description="seconds a step of all super-resolution stages, guidance's two evaluations in parallel: "
        "super_resolution x stages. A base step then takes `base`",
    )
    published: PublishedSteps | None = None


class StageInfo(Record):
    """One stage of the cascade, as in the paper's Figure 6; or a generator, or videos that were already sampled."""

    name: str
    kind: Literal["base", "tsr", "ssr", "generator", "videos"]
    frames: int
    height: int
    width: int
    fps: float
    parameters: int | None = Field(description="None: unknown")
    weights: str = Field(description="sha256 of the weights file")


class CascadeInfo(Record):
    """The cascade that was sampled."""

    name: str
    digest: str
    description: str = ""
    stages: list[StageInfo]
    text_encoder: str = ""
    partial: str = Field(default="", description="which stages were loaded in part, and how; empty: all fitted")
    part: str = Field(
        default="",
        description="which stages were sampled and from what, where these are not all: 'ssr1 from real clips'; empty: "
        "all of them, or an older ivbench wrote the file",
    )


class SuiteInfo(Record):
    """The suite that was run."""

    name: str
    digest: str
    description: str = ""
    prompts: list[str]
    runs: int
    seeds: list[int]
    noise: str = Field(
        default="",
        description="where the noise comes from: numpy (by seed, prompt and stage, the same everywhere) or device; "
        "empty: a generator's own, or an older ivbench wrote the file",
    )


class Environment(Record):
    """Where the numbers were made. Results that mix environments say so."""

    ivbench: str
    python: str
    platform: str
    processor: str
    backend: str = Field(default="torch", description="which framework sampled: torch or jax")
    device: str
    dtype: str
    threads: int
    libraries: dict[str, str]
    git: str = ""


class Results(Record):
    """The whole file."""

    format: Literal["ivbench-results"] = "ivbench-results"
    version: int = RESULTS_VERSION
    created: str = Field(description="UTC, ISO 8601")
    command: str
    suite: SuiteInfo
    cascade: CascadeInfo
    environments: list[Environment]
    cells: list[Cell]
    ground_truth: list[Score] = Field(description="the same metrics on real clips of the same prompts")
    ground_truth_gallery: list[GalleryEntry] = Field(default_factory=list)
    ground_truth_published: list[Published] = Field(default_factory=list, description="what a paper reports for them")
    differences: list[Difference] = Field(default_factory=list)
    conclusions: list[Conclusion] = Field(default_factory=list, description="of the suite, put to the test")
    published_differences: list[PublishedDifference] = Field(default_factory=list)
    time_model: TimeModel | None = None
    disclosures: list[str] = Field(default_factory=list, description="choices the paper leaves open, and ours")
    notes: list[str] = Field(default_factory=list, description="warnings about the whole")
    origins: list[str] = Field(
        default_factory=list,
        description="whose weights stand in for the cascade's own; of a baseline, the values of the one before",
    )

    @property
    def of_folders(self) -> bool:
        """Whether videos of folders were scored: nothing was sampled, so there are neither stages nor prompts."""
        return not self.cascade.stages and not self.suite.prompts

    @field_validator("created")
    @classmethod
    def _moment(cls, created: str) -> str:
        try:
            offset = datetime.fromisoformat(created).utcoffset()
        except ValueError:
            offset = None
        if offset != timedelta(0):
            raise ValueError(f"got {created[:60]!r}, allowed is a moment in UTC such as 2026-11-24T12:00:00+00:00")
        return created

    @field_validator("cells")
    @classmethod
    def _distinct(cls, cells: list[Cell]) -> list[Cell]:
        _all_different("cell's label", [cell.label for cell in cells])
        _all_different("cell's id", [cell.id for cell in cells])
        return cells
