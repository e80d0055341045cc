"""Published values in a suite: what a paper reports for a cell, to stand beside the cell's own numbers."""

from __future__ import annotations

from typing import Any

from pydantic import Field, field_validator

from ivbench.config.parse import Frozen

__all__ = ["SECONDS", "PublishedConfig", "PublishedSteps", "PublishedValue", "read_values", "value_schema"]

SECONDS = "seconds"
"""The key of a published sampling time; every other key is a metric's name."""


class PublishedValue(Frozen):
    """A value as published, in the metric's unit; `seconds` in seconds a video."""

    value: float
    stderr: float | None = Field(default=None, ge=0, description="the standard error that is published beside it")


def read_values(value: Any) -> Any:
    """Values as people write them, `clip_score: 25.19` or `clip_score: {value: 25.19, stderr: 0.03}`, as data."""
    if not isinstance(value, dict):
        return value
    return {name: {"value": item} if _is_number(item) else item for name, item in value.items()}


def value_schema(schema: dict[str, Any]) -> None:
    """For the JSON schema: a value may stand alone."""
    branches = [schema, *schema.get("anyOf", [])]
    mapping = next(branch for branch in branches if branch.get("type") == "object")
    mapping["additionalProperties"] = {"anyOf": [mapping["additionalProperties"], {"type": "number"}]}


class PublishedSteps(Frozen):
    """Published seconds of a step, where guidance's two evaluations run in parallel."""

    base: float = Field(gt=0, description="of the base model")
    sr: float = Field(gt=0, description="of all super-resolution stages together")


class PublishedConfig(Frozen):
    """Where the cells' published values come from, and those of real clips."""

    source: str = Field(min_length=1, max_length=120, description="as readers cite it: Imagen Video, Table 1")
    ground_truth: dict[str, PublishedValue] = Field(
        default_factory=dict, json_schema_extra=value_schema, description="by metric: what is published for real clips"
    )
    step_seconds: PublishedSteps | None = Field(
        default=None, description="stands beside the seconds of a step that are fitted to the cells' own"
    )

    @field_validator("ground_truth", mode="before")
    @classmethod
    def _values(cls, value: Any) -> Any:
        return read_values(value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
