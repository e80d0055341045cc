"""The tasks of a plan: encode, sample, extract, score. Each holds everything that a runner needs beside the plan."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from ivbench.config import AnySampling, Frozen, MetricConfig

__all__ = ["BLOCK", "EncodeTask", "ExtractTask", "InputTask", "SampleTask", "ScoreTask", "blocks"]

BLOCK = 16
"""Prompts a block, in suite order: fixed, so that appended prompts leave the old blocks as they are."""


class EncodeTask(Frozen):
    """Prompts of one block -> text embeddings."""

    kind: Literal["encode"] = "encode"
    id: str = Field(description="sha256 over everything that decides the result")
    block: int
    prompts: tuple[int, ...] = Field(description="indices of the block's prompts in the plan, in order")


class InputTask(Frozen):
    """Given videos of one block -> conditioning videos of the first stage that is sampled."""

    kind: Literal["input"] = "input"
    id: str = Field(description="sha256 over everything that decides the result")
    seed: int = Field(description="of the run")
    sample_index: int = Field(description="which sample of each prompt")
    block: int
    prompts: tuple[int, ...] = Field(description="indices of the block's prompts in the plan, in order")
    files: tuple[str, ...] = Field(description="one video file a prompt; empty: real clips of the prompts")
    cells: tuple[str, ...]


class SampleTask(Frozen):
    """One stage, or a generator, of one run over one block of prompts -> videos."""

    kind: Literal["sample"] = "sample"
    id: str = Field(description="sha256 over everything that decides the result")
    stage_index: int
    stage: str = Field(description="the stage's name")
    weights: str = Field(description="whose: original, or the cascade that stands in for this stage")
    last: bool = Field(description="the last sampled stage: its videos are scored")
    as_bytes: bool = Field(description="the cascade's last stage: its videos are stored as uint8, others as float16")
    sampling: AnySampling = Field(description="resolved settings of this stage")
    seed: int = Field(description="of the run")
    sample_index: int = Field(description="which sample of each prompt")
    block: int
    prompts: tuple[int, ...] = Field(description="indices of the block's prompts in the plan, in order")
    encode: str | None = Field(description="id of the task with the text embeddings; None for a generator")
    input: str | None = Field(
        description="id of the sample or input task with the conditioning videos; None for a base model"
    )
    cells: tuple[str, ...] = Field(description="ids of the cells that use the result; more than one where they share")


class ExtractTask(Frozen):
    """Final videos of one block -> features."""

    kind: Literal["extract"] = "extract"
    id: str = Field(description="sha256 over everything that decides the result")
    extractor: str
    sample: str = Field(description="id of the sample task whose videos it reads")
    seed: int
    sample_index: int
    block: int
    prompts: tuple[int, ...]
    cells: tuple[str, ...]


class ScoreTask(Frozen):
    """All features of one cell -> one score."""

    kind: Literal["score"] = "score"
    id: str = Field(description="sha256 over everything that decides the result")
    cell: str = Field(description="the cell's id")
    metric: MetricConfig
    consumes: tuple[str, ...] = Field(description="ids of the cell's extract tasks, by run, sample index and block")


def blocks(count: int, size: int = BLOCK) -> tuple[tuple[int, ...], ...]:
    """The indices of the prompts of each block of `size`, the last one may be shorter."""
    return tuple(tuple(range(start, min(start + size, count))) for start in range(0, count, size))
