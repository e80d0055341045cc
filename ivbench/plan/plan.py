"""The plan: everything that will be done and what it costs, known before anything runs. `plan.json` holds it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from ivbench import registry
from ivbench.config import Frozen, SuiteConfig, canonical_json, digest, parse
from ivbench.data.prompts import check_prompts, load_prompts, prompt_digest
from ivbench.errors import ConfigError, MissingFileError
from ivbench.plan.cells import PlannedCell, expand
from ivbench.plan.cost import task_flops
from ivbench.plan.given import Given, given_digest, given_videos
from ivbench.plan.graph import build_graph
from ivbench.plan.parts import input_shape, origin, part
from ivbench.plan.sources import CascadeSource, Execution, GeneratorSource, Source, extractor_digests
from ivbench.plan.tasks import EncodeTask, ExtractTask, InputTask, SampleTask, ScoreTask
from ivbench.results.atomic import write_bytes
from ivbench.spec import GeneratorSpec, StageSpec

__all__ = ["PLAN_VERSION", "Plan", "build_plan", "read_plan", "sized", "write_plan"]

PLAN_VERSION = 2


class Plan(Frozen):
    """A suite on a cascade, worked out. Tasks stand in an order in which each comes after what it reads."""

    format: Literal["ivbench-plan"] = "ivbench-plan"
    version: int = PLAN_VERSION
    suite: SuiteConfig
    source: Source
    execution: Execution
    prompts: tuple[str, ...] = Field(description="checked texts, NFC, in suite order")
    extractors: dict[str, str] = Field(description="name -> digest")
    variants: dict[str, CascadeSource] = Field(description="the other cascades that weights names")
    given: Given = Field(description="of each prompt the video files that the first sampled stage starts from")
    cells: tuple[PlannedCell, ...]
    encode: tuple[EncodeTask, ...]
    input: tuple[InputTask, ...]
    sample: tuple[SampleTask, ...]
    extract: tuple[ExtractTask, ...]
    score: tuple[ScoreTask, ...]

    @property
    def digest(self) -> str:
        """The sha256 over the ids of all scores, and of all videos: equal plans compute equal things."""
        return digest({"score": [task.id for task in self.score], "sample": [task.id for task in self.sample]})

    @property
    def suite_digest(self) -> str:
        """The sha256 over what the suite asks for: prompts, seeds, metrics, reference, noise; not over its words."""
        return digest(
            {
                "prompts": [prompt_digest(prompt) for prompt in self.prompts],
                "seeds": list(self.suite.run_seeds),
                "samples_per_prompt": self.suite.samples_per_prompt,
                "metrics": [metric.model_dump(mode="json") for metric in self.suite.metrics],
                "reference": self.suite.reference.model_dump(mode="json"),
                "noise": self.suite.noise,
                "cells": sorted(cell.id for cell in self.cells),
            }
        )

    @property
    def stages(self) -> tuple[StageSpec | GeneratorSpec, ...]:
        """The stages that are sampled, in order, as the cascade itself has them; a generator is one."""
        return part(self.source.spec, self.suite.stages)

    @property
    def input_shape(self) -> StageSpec | None:
        """Size and rate of the videos that the first sampled stage starts from; None where it starts from noise."""
        return input_shape(self.source.spec, self.suite.stages)

    @property
    def partial(self) -> str:
        """What of the weights was loaded in part, of the cascade and of those that stand in; empty: nothing."""
        others = (f"{name}: {source.partial}" for name, source in self.variants.items() if source.partial)
        return "; ".join((*([self.source.partial] if self.source.partial else []), *others))

    @property
    def videos(self) -> int:
        """Final videos in all: cells x runs x prompts x samples a prompt."""
        suite = self.suite
        return len(self.cells) * len(suite.run_seeds) * len(self.prompts) * suite.samples_per_prompt

    @property
    def flops(self) -> float | None:
        """FLOPs of all sampling; what cells share is counted once. None where nobody knows them."""
        return self.flops_of(self.sample)

    def stage(self, task: SampleTask) -> StageSpec | GeneratorSpec:
        """The stage whose weights a task uses, or the generator."""
        return origin(self.source, self.variants, task.weights).spec.stage(task.stage)

    def flops_of(self, tasks: Iterable[SampleTask]) -> float | None:
        """FLOPs of sample tasks: what cells share is counted once, since they share the task. None: a generator's."""
        if isinstance(self.source, GeneratorSource):
            return None
        length = self.source.spec.text.length
        return sum(task_flops(self.stage(task), task, length) or 0.0 for task in tasks)

    def cell(self, cell_id: str) -> PlannedCell:
        """The cell of that id.

        Raises:
            KeyError: no such cell.
        """
        return {cell.id: cell for cell in self.cells}[cell_id]

    def final_samples(self, cell_id: str) -> tuple[SampleTask, ...]:
        """The tasks that make a cell's final videos, by run, sample index and block."""
        return tuple(task for task in self.sample if task.last and cell_id in task.cells)


def build_plan(
    suite: SuiteConfig,
    source: Source,
    execution: Execution = Execution(),  # noqa: B008 - frozen
    prompts: tuple[str, ...] | None = None,
    extractors: Mapping[str, str] | None = None,
    variants: Mapping[str, CascadeSource] | None = None,
    given: Given | None = None,
) -> Plan:
    """Work out a suite on a cascade. Reads cards and prompts; imports no framework; computes nothing.

    Args:
        suite: what to evaluate.
        source: the cascade, as `cascade_source` reads it from a card; or a generator.
        execution: where it will run.
        prompts: texts in place of the suite's.
        extractors: name -> digest; None: from the zoo's cards.
        variants: name or folder -> source of every other cascade that the suite's `weights` name.
        given: the video files of each prompt; None: looked up in the suite's folder of videos.

    Raises:
        ConfigError: a setting is missing or wrong, a name isn't registered, a text is no prompt.
        MissingFileError: the prompts' file isn't there.
    """
    for metric in suite.metrics:
        registry.target("metric", metric.name)
    source, suite = sized(source, suite), _with_samples(suite, source)
    texts = _prompts(suite, source) if prompts is None else check_prompts(prompts)
    digests = extractor_digests(suite.metrics) if extractors is None else dict(extractors)
    for metric in suite.metrics:
        if metric.extractor not in digests:
            raise ConfigError(
                f'metric {metric.name}: extractor "{metric.extractor}" has no digest. Pass it in extractors.'
            )
    used = {name: digests[name] for name in sorted({metric.extractor for metric in suite.metrics})}
    others = dict(variants or {})
    files = given_videos(suite.stages, texts) if given is None else given
    cells = expand(suite, source, others, given_digest(suite.stages, files))
    suite.require_conclusions([cell.label for cell in cells])
    graph = build_graph(suite, source, execution, texts, used, cells, others, files)
    return Plan(
        suite=suite,
        source=source,
        execution=execution,
        prompts=texts,
        extractors=used,
        variants=others,
        given=files,
        cells=cells,
        encode=tuple(graph.encode),
        input=tuple(graph.input.values()),
        sample=tuple(graph.sample.values()),
        extract=tuple(graph.extract.values()),
        score=tuple(graph.score),
    )


def _prompts(suite: SuiteConfig, source: Source) -> tuple[str, ...]:
    if suite.prompts.source != "videos":
        return load_prompts(suite.prompts)
    if not isinstance(source, GeneratorSource) or not source.files:
        raise ConfigError(
            f'prompts.source is "videos": those of given videos, and {source.spec.name} samples its own. Name others.'
        )
    return check_prompts(list(source.files)[: suite.prompts.count], source.spec.name)


def _with_samples(suite: SuiteConfig, source: Source) -> SuiteConfig:
    """As many samples of a prompt as there are given videos of it, where the suite does not say how many."""
    if not isinstance(source, GeneratorSource) or source.spec.kind != "videos":
        return suite
    asked, most = suite.model_fields_set, max(map(len, source.files.values()))
    runs = suite.run_seeds if asked & {"runs", "seeds"} else (0,)
    samples = suite.samples_per_prompt if "samples_per_prompt" in asked else -(-most // len(runs))
    return suite.model_copy(update={"runs": len(runs), "seeds": runs, "samples_per_prompt": samples})


def sized(source: Source, suite: SuiteConfig) -> Source:
    """A generator with the size of videos that the suite asks for; a cascade, whose size must be that one."""
    asked = suite.video.model_dump(exclude_none=True)
    if isinstance(source, GeneratorSource):
        return source.model_copy(update={"spec": source.spec.sized(asked)})
    last = source.spec.stages[-1]
    for name, value in asked.items():
        if value != getattr(last, name):
            raise ConfigError(
                f"video.{name} is {value:g}: the videos of a cascade have the size of its last stage. "
                f'Leave video out for "{source.spec.name}", where it is {getattr(last, name):g}.'
            )
    return source


def write_plan(plan: Plan, path: Path) -> None:
    """Write `plan.json`, whole or not at all; equal plans are equal bytes.

    Raises:
        StoreError: the place can't be written.
    """
    write_bytes(path, canonical_json(plan.model_dump(mode="json")).encode() + b"\n")


def read_plan(path: Path) -> Plan:
    """Read a `plan.json`, and work it out again: its ids must be those of its settings.

    Raises:
        ConfigError: not a plan, of another version, or altered.
        MissingFileError: there's no such file.
    """
    data = _read_json(path)
    if not isinstance(data, dict) or data.get("format") != "ivbench-plan":
        raise ConfigError(f"{path} is not a plan. Give the plan.json that ivbench plan wrote.")
    if data.get("version") != PLAN_VERSION:
        raise ConfigError(f"{path} has version {data.get('version')!r}, not {PLAN_VERSION}. Run ivbench plan again.")
    plan = parse(Plan, data, str(path))
    again = build_plan(
        plan.suite, plan.source, plan.execution, plan.prompts, plan.extractors, plan.variants, plan.given
    )
    if again != plan:
        raise ConfigError(
            f"{path}: its tasks are not those of its settings: altered, or of another ivbench. Plan again."
        )
    return plan


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
        raise MissingFileError(f"{path} is not there. Make it with: ivbench plan") from error
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path} is not JSON: {error}. Run ivbench plan again.") from error
