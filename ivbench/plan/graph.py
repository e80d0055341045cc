"""The task graph: every task once, in an order in which each comes after what it reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ivbench.config import GeneratorSampling, StageSampling, SuiteConfig
from ivbench.data.prompts import prompt_digest
from ivbench.plan.cells import PlannedCell
from ivbench.plan.given import Given
from ivbench.plan.ids import (
    encode_payload,
    extract_payload,
    generate_payload,
    input_payload,
    sample_payload,
    score_payload,
    task_id,
)
from ivbench.plan.parts import Variants, input_shape, origin, part
from ivbench.plan.sources import CascadeSource, Execution, GeneratorSource, Source
from ivbench.plan.tasks import BLOCK, EncodeTask, ExtractTask, InputTask, SampleTask, ScoreTask, blocks
from ivbench.spec import StageSpec

__all__ = ["Graph", "build_graph"]


@dataclass
class Graph:
    """The tasks by kind, in order; filled by `build_graph`."""

    encode: list[EncodeTask] = field(default_factory=list)
    input: dict[str, InputTask] = field(default_factory=dict)
    sample: dict[str, SampleTask] = field(default_factory=dict)
    extract: dict[str, ExtractTask] = field(default_factory=dict)
    score: list[ScoreTask] = field(default_factory=list)


def build_graph(
    suite: SuiteConfig,
    source: Source,
    execution: Execution,
    prompts: Sequence[str],
    extractors: Mapping[str, str],
    cells: Sequence[PlannedCell],
    variants: Variants | None = None,
    given: Given = (),
) -> Graph:
    """The graph of all tasks; cells that agree up to a stage share its tasks.

    Args:
        suite: seeds, samples a prompt, metrics, reference, noise source.
        source: the cascade, or the generator.
        execution: where it will run.
        prompts: checked texts in suite order.
        extractors: name -> digest of every extractor that the metrics name.
        cells: as `expand` gives them.
        variants: the other cascades that `weights` names.
        given: files of each prompt, where the first sampled stage starts from given videos.
    """
    return _Builder(suite, source, execution, prompts, extractors, variants or {}, given).build(cells)


class _Builder:
    def __init__(
        self,
        suite: SuiteConfig,
        source: Source,
        execution: Execution,
        prompts: Sequence[str],
        extractors: Mapping[str, str],
        variants: Variants,
        given: Given,
    ) -> None:
        self.suite, self.source, self.execution, self.extractors = suite, source, execution, extractors
        self.variants, self.given, self.prompts = variants, given, prompts
        self.stages, self.input = part(source.spec, suite.stages), input_shape(source.spec, suite.stages)
        self.digests = [prompt_digest(prompt) for prompt in prompts]
        self.blocks = blocks(len(prompts), source.spec.batch if isinstance(source, GeneratorSource) else BLOCK)
        self.graph = Graph()

    def build(self, cells: Sequence[PlannedCell]) -> Graph:
        for block, indices in enumerate(self.blocks if isinstance(self.source, CascadeSource) else ()):
            assert isinstance(self.source, CascadeSource)
            payload = encode_payload(self.source, self.execution.frozen_networks, self._digests(indices))
            self.graph.encode.append(EncodeTask(id=task_id(payload), block=block, prompts=indices))
        for cell in cells:
            videos = [
                (seed, sample_index, block, video)
                for seed in self.suite.run_seeds
                for sample_index in range(self.suite.samples_per_prompt)
                for block, video in enumerate(self._run(cell, seed, sample_index))
            ]
            extracted = {
                extractor: [self._extract(cell, extractor, *row) for row in videos] for extractor in self.extractors
            }
            self._score(cell, extracted)
        return self.graph

    def _digests(self, indices: Sequence[int]) -> list[str]:
        return [self.digests[index] for index in indices]

    def _run(self, cell: PlannedCell, seed: int, sample_index: int) -> list[str]:
        """One run of a cell: its sample tasks by stage, then block. Returns the ids of the last stage's, by block."""
        before: list[str | None] = [
            None if self.input is None else self._input(self.input, cell, seed, sample_index, block)
            for block in range(len(self.blocks))
        ]
        for stage in range(len(self.stages)):
            before = [
                self._sample(cell, stage, seed, sample_index, block, before[block]) for block in range(len(self.blocks))
            ]
        return [found for found in before if found is not None]

    def _input(self, stage: StageSpec, cell: PlannedCell, seed: int, sample_index: int, block: int) -> str:
        """The given videos of a block: each of a prompt's files in turn, or real clips of the run and sample."""
        place = self.suite.run_seeds.index(seed) * self.suite.samples_per_prompt + sample_index
        files = [self.given[index][place % len(self.given[index])] for index in self.blocks[block] if self.given]
        payload = input_payload(
            stage.shape,
            stage.fps,
            self._digests(self.blocks[block]),
            [file.sha256 for file in files],
            None if files else (seed, sample_index),
        )
        found = task_id(payload)
        known = self.graph.input.get(found)
        self.graph.input[found] = InputTask(
            id=found,
            seed=seed,
            sample_index=sample_index,
            block=block,
            prompts=self.blocks[block],
            files=tuple(file.path for file in files),
            cells=_with(known, cell),
        )
        return found

    def _sample(
        self, cell: PlannedCell, stage: int, seed: int, sample_index: int, block: int, before: str | None
    ) -> str:
        encode = self.graph.encode[block].id if self.graph.encode else None
        indices, name = self.blocks[block], self.stages[stage].name
        as_bytes = name == self.source.spec.stages[-1].name
        consumes = [one for one in (encode, before) if one is not None]
        found = task_id(self._payload(cell, stage, seed, sample_index, indices, consumes, as_bytes))
        known = self.graph.sample.get(found)
        self.graph.sample[found] = SampleTask(
            id=found,
            stage_index=stage,
            stage=name,
            weights=cell.weights[stage],
            last=stage == len(self.stages) - 1,
            as_bytes=as_bytes,
            sampling=cell.stages[stage],
            seed=seed,
            sample_index=sample_index,
            block=block,
            prompts=indices,
            encode=encode,
            input=before,
            cells=_with(known, cell),
        )
        return found

    def _payload(
        self,
        cell: PlannedCell,
        stage: int,
        seed: int,
        sample_index: int,
        indices: Sequence[int],
        consumes: Sequence[str],
        as_bytes: bool,
    ) -> dict[str, Any]:
        source, sampling = origin(self.source, self.variants, cell.weights[stage]), cell.stages[stage]
        prompts = self._digests(indices)
        if isinstance(source, GeneratorSource):
            assert isinstance(sampling, GeneratorSampling)
            texts = [self.prompts[index] for index in indices]
            place = self.suite.run_seeds.index(seed) * self.suite.samples_per_prompt + sample_index
            identity = source.identity(texts, place)
            return generate_payload(identity, sampling, self.execution, seed, prompts, sample_index)
        assert isinstance(sampling, StageSampling)
        place = source.spec.stages.index(source.spec.stage(self.stages[stage].name))
        noise = self.suite.noise
        return sample_payload(
            source, place, sampling, self.execution, noise, seed, prompts, sample_index, consumes, as_bytes
        )

    def _extract(self, cell: PlannedCell, extractor: str, seed: int, sample_index: int, block: int, video: str) -> str:
        payload = extract_payload(extractor, self.extractors[extractor], self.execution.frozen_networks, [video])
        found = task_id(payload)
        known = self.graph.extract.get(found)
        self.graph.extract[found] = ExtractTask(
            id=found,
            extractor=extractor,
            sample=video,
            seed=seed,
            sample_index=sample_index,
            block=block,
            prompts=self.blocks[block],
            cells=_with(known, cell),
        )
        return found

    def _score(self, cell: PlannedCell, extracted: Mapping[str, list[str]]) -> None:
        last = self.stages[-1]
        video = {"shape": list(last.shape), "fps": last.fps}
        for metric in self.suite.metrics:
            consumes = extracted[metric.extractor]
            payload = score_payload(
                metric,
                self.extractors[metric.extractor],
                self.suite.reference,
                video,
                self.suite.run_seeds,
                self.digests,
                consumes,
            )
            task = ScoreTask(id=task_id(payload), cell=cell.id, metric=metric, consumes=tuple(consumes))
            self.graph.score.append(task)


def _with(known: InputTask | SampleTask | ExtractTask | None, cell: PlannedCell) -> tuple[str, ...]:
    """The cells that use a task, once this one does too; each once."""
    before = known.cells if known else ()
    return before if cell.id in before else (*before, cell.id)
