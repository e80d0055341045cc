"""A suite: which prompts, runs, metrics and cells make an evaluation. YAML in, a frozen model out."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from ivbench.config.axis_schema import type_axes
from ivbench.config.conclusions import ConclusionConfig
from ivbench.config.parse import Frozen, parse
from ivbench.config.profile import Profile, profile
from ivbench.config.published import SECONDS, PublishedConfig, PublishedValue, read_values, value_schema
from ivbench.config.settings import AXES, Settings
from ivbench.config.yaml import load_yaml, read_yaml
from ivbench.errors import ConfigError, MissingFileError, did_you_mean

__all__ = [
    "CellConfig",
    "Grid",
    "MetricConfig",
    "MetricUnder",
    "PromptsConfig",
    "ReferenceConfig",
    "StagesConfig",
    "SuiteConfig",
    "VideoConfig",
    "parse_suite",
    "read_suite",
    "suite_names",
    "suite_schema",
]


class PromptsConfig(Frozen):
    """Where the prompts come from: one of source and texts."""

    source: str | None = Field(
        default=None,
        description="shapes:test, shapes:validation, a text file with a prompt a line, or videos (those of given ones)",
    )
    texts: tuple[str, ...] | None = Field(default=None, description="the prompts themselves")
    count: int | None = Field(default=None, gt=0, description="the first so many; None: all")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.source is None) == (self.texts is None):
            raise ValueError("prompts need one of source and texts")
        return self


class MetricConfig(Frozen):
    """One metric and the extractor that it stands on."""

    name: str = Field(description="frame_fid, fvd, clip_score, r_precision, or another registered metric")
    extractor: str = Field(description="an extractor's name or the name of its card in the zoo")
    profile: str | None = Field(default=None, description="the metric's named preset; None: its own default")

    @property
    def choices(self) -> Profile:
        """Those of its profile.

        Raises:
            ConfigError: no such profile.
        """
        return profile(self.profile)


class MetricUnder(MetricConfig):
    """A metric under a profile that is given as data and has no file. No suite can hold one: it is made in code."""

    given: Profile

    @property
    def choices(self) -> Profile:
        """Those of the given profile."""
        return self.given


class ReferenceConfig(Frozen):
    """The real clips that Frechet metrics compare with."""

    source: str = Field(default="shapes", description="shapes: clips over the evaluation captions' distribution")
    count: int = Field(default=2048, gt=1)
    seed: int = Field(default=0, ge=0, lt=2**63)


class CellConfig(Settings):
    """One explicit cell: settings that differ from the defaults."""

    label: str | None = Field(default=None, min_length=1, max_length=60, description="shown in place of the made one")
    series: str | None = Field(
        default=None,
        min_length=1,
        max_length=60,
        description="shown in place of the weights' name; cells of one series form a line in charts, whatever weights "
        "each of them takes",
    )
    published: dict[str, PublishedValue] = Field(
        default_factory=dict,
        json_schema_extra=value_schema,
        description="by metric, or seconds: what the suite's published.source reports for this cell",
    )

    @field_validator("published", mode="before")
    @classmethod
    def _published(cls, value: Any) -> Any:
        return read_values(value)

    @field_validator("label", "series")
    @classmethod
    def _printable(cls, text: str | None) -> str | None:
        if text is not None and not text.isprintable():
            raise ValueError(f"a label or series must be printable text, got {text!r}")
        return text


class Grid(Frozen):
    """Axes whose product is the grid. An axis that's left out stays at the defaults."""

    weights: tuple[Any, ...] | None = Field(default=None, min_length=1)
    guidance: tuple[Any, ...] | None = Field(default=None, min_length=1)
    sampler: tuple[Any, ...] | None = Field(default=None, min_length=1)
    steps: tuple[Any, ...] | None = Field(default=None, min_length=1)
    gamma: tuple[Any, ...] | None = Field(default=None, min_length=1)
    thresholding: tuple[Any, ...] | None = Field(default=None, min_length=1)
    augmentation_snr: tuple[Any, ...] | None = Field(default=None, min_length=1)
    negative_prompt: tuple[Any, ...] | None = Field(default=None, min_length=1)
    options: tuple[Any, ...] | None = Field(default=None, min_length=1)
    exclude: tuple[dict[str, Any], ...] = Field(
        default=(), description="points to leave out: each entry's values, by axis, as the axes write them"
    )

    def points(self, where: str = "suite") -> tuple[Settings, ...]:
        """The product of the axes, the last axis fastest.

        Raises:
            ConfigError: a point isn't a valid setting, or an exclude fits no point; names its axis and place.
        """
        axes = [(axis, getattr(self, axis)) for axis in AXES if getattr(self, axis) is not None]
        for axis, values in axes:
            for place, value in enumerate(values):
                if value is None:
                    raise ConfigError(f"{where}: grid.{axis}.{place} is empty. Leave the axis out to keep the default.")
                parse(Settings, {axis: value}, f"{where}: grid, value {place + 1} of {axis}")
        names = [axis for axis, _ in axes]
        product = itertools.product(*(values for _, values in axes))
        points = [parse(Settings, dict(zip(names, row, strict=True)), where) for row in product]
        for place, entry in enumerate(self.exclude):
            kept = [point for point in points if not self._fits(point, entry, f"{where}: grid.exclude.{place}")]
            if len(kept) == len(points):
                raise ConfigError(f"{where}: grid.exclude.{place} fits no point that is left. Correct or remove it.")
            points = kept
        if not points:
            raise ConfigError(f"{where}: grid.exclude leaves no point of the grid. Remove the grid, or an entry.")
        return tuple(points)

    def _fits(self, point: Settings, entry: dict[str, Any], where: str) -> bool:
        """Whether a point has every value of an entry of `exclude`."""
        axes = [axis for axis in AXES if getattr(self, axis) is not None]
        for axis in entry:
            if axis not in axes:
                raise ConfigError(f'{where}: "{axis}" is no axis of this grid.{did_you_mean(axis, axes)}')
        wanted = parse(Settings, entry, where)
        return bool(entry) and all(getattr(point, axis) == getattr(wanted, axis) for axis in entry)


class StagesConfig(Frozen):
    """A part of the cascade: from one stage to another."""

    from_stage: str | None = Field(default=None, description="the first stage to sample; None: the cascade's first")
    to_stage: str | None = Field(default=None, description="the last stage to sample; None: the cascade's last")
    input: str | None = Field(
        default=None,
        description="what from_stage starts from: real (real clips of the prompts), or videos:FOLDER",
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.input is not None and self.input != "real" and not self.input.removeprefix("videos:").strip():
            raise ValueError("stages.input: videos: needs a folder")
        if self.input is not None and self.input != "real" and not self.input.startswith("videos:"):
            raise ValueError(f'stages.input: got "{self.input}", allowed are real and videos:FOLDER')
        return self


class VideoConfig(Frozen):
    """The size of a generator's videos, as far as it can be asked for; None: as the generator makes them."""

    frames: int | None = Field(default=None, gt=0)
    height: int | None = Field(default=None, gt=0)
    width: int | None = Field(default=None, gt=0)
    fps: float | None = Field(default=None, gt=0)


class SuiteConfig(Frozen):
    """An evaluation, whole."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    description: str = ""
    cascade: str | None = Field(
        default=None,
        description="what is sampled unless another is named: a card, or a generator such as python:module:object",
    )
    prompts: PromptsConfig
    runs: int = Field(default=4, gt=0, le=1_000, description="seeded repeats of a cell; 4 in the paper's Table 1")
    seeds: tuple[int, ...] | None = Field(default=None, min_length=1, description="None: 0 to runs - 1")
    samples_per_prompt: int = Field(default=1, gt=0, le=10_000)
    metrics: tuple[MetricConfig, ...] = ()
    reference: ReferenceConfig = ReferenceConfig()
    stages: StagesConfig = StagesConfig()
    video: VideoConfig = VideoConfig()
    noise: Literal["numpy", "device"] = Field(default="numpy", description="numpy: the same on every backend")
    gallery: int = Field(default=6, ge=0, description="prompts whose samples the report shows")
    published: PublishedConfig | None = Field(default=None, description="where the cells' published values come from")
    conclusions: tuple[ConclusionConfig, ...] = Field(
        default=(), description="the source's or one's own, put to the test on cells that are named by their labels"
    )
    defaults: Settings = Settings()
    grid: Grid | None = Field(default=None, description="the product of its axes")
    cells: tuple[CellConfig, ...] = Field(default=(), description="explicit cells, after those of the grid")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.seeds is not None:
            if len(set(self.seeds)) != len(self.seeds) or not 0 <= min(self.seeds) <= max(self.seeds) < 2**63:
                raise ValueError(f"seeds must differ and lie in [0, 2^63), got {list(self.seeds)}")
            if "runs" in self.model_fields_set and self.runs != len(self.seeds):
                raise ValueError(f"runs is {self.runs} and seeds has {len(self.seeds)} entries; give one of the two")
        names = [(metric.name, metric.extractor, metric.profile) for metric in self.metrics]
        if len(set(names)) != len(names):
            raise ValueError("metrics: one stands twice; remove one")
        self._check_published()
        return self

    def _check_published(self) -> None:
        """Published values name their source, and metrics that stand beside them."""
        given = [cell.published for cell in self.cells if cell.published]
        if given and self.published is None:
            raise ValueError("cells have published values: add published: {source: where they are published}")
        known = [*dict.fromkeys(metric.name for metric in self.metrics), SECONDS]
        for values in (*given, *([self.published.ground_truth] if self.published else [])):
            for name in values:
                if name not in known:
                    hint = did_you_mean(name, known)
                    raise ValueError(f'published: "{name}" is no metric of this suite, and not {SECONDS}.{hint}')

    def require_conclusions(self, labels: Sequence[str]) -> None:
        """Refuse conclusions on cells or metrics that the suite does not have.

        Args:
            labels: of the cells, as planned.

        Raises:
            ConfigError: names the nearest label or metric.
        """
        metrics = [metric.name for metric in self.metrics]
        for place, one in enumerate(self.conclusions):
            for label in (one.of, one.to):
                if label not in labels:
                    hint = did_you_mean(label, labels)
                    raise ConfigError(f'conclusions.{place}: no cell is labelled "{label}".{hint}')
            if one.metric is not None and one.metric not in metrics:
                hint = did_you_mean(one.metric, metrics)
                raise ConfigError(f'conclusions.{place}: the suite has no metric "{one.metric}".{hint}')

    @property
    def run_seeds(self) -> tuple[int, ...]:
        """The seed of each run."""
        return self.seeds if self.seeds is not None else tuple(range(self.runs))

    @property
    def videos_of_a_prompt(self) -> int:
        """Videos of one prompt in a cell, all runs together."""
        return len(self.run_seeds) * self.samples_per_prompt


def suite_names() -> list[str]:
    """The packaged suites, sorted."""
    return sorted(Path(item.name).stem for item in _packaged().iterdir() if item.name.endswith(".yaml"))


def _packaged() -> Any:
    return files("ivbench.config").joinpath("suites")


def read_suite(name: str | Path) -> SuiteConfig:
    """Read a packaged suite by its name, or a suite file by its path (a name with a suffix or a folder in it).

    Raises:
        ConfigError: no such suite, an unknown key, a wrong type, one of YAML's traps; says the nearest name.
        MissingFileError: there's no such file.
    """
    text = str(name)
    if Path(text).suffix in (".yaml", ".yml") or "/" in text or "\\" in text:
        return parse_suite(read_yaml(Path(text)), text)
    if text not in suite_names():
        raise ConfigError(f'no suite is called "{text}".{did_you_mean(text, suite_names())} A file needs its .yaml.')
    return parse_suite(load_yaml(_packaged().joinpath(f"{text}.yaml").read_text(encoding="utf-8"), text), text)


def parse_suite(data: Any, where: str = "suite") -> SuiteConfig:
    """Validate what a suite's YAML held.

    Args:
        data: plain data.
        where: how messages call it.

    Raises:
        ConfigError: the first thing that's wrong, with its path.
    """
    suite = parse(SuiteConfig, data, where)
    if suite.grid is not None:
        suite.grid.points(where)
    source = suite.prompts.source
    if source is not None and source.endswith(".txt") and not Path(source).is_absolute() and Path(where).suffix:
        beside = Path(where).parent / source
        if not beside.is_file():
            raise MissingFileError(f"{where}: prompts.source {beside} is not there. Paths start at the suite's folder.")
        prompts = suite.prompts.model_copy(update={"source": str(beside)})
        return suite.model_copy(update={"prompts": prompts})
    return suite


def suite_schema() -> dict[str, Any]:
    """The JSON schema of a suite file, for editors."""
    schema = SuiteConfig.model_json_schema(mode="validation")
    type_axes(schema, AXES)
    return schema
