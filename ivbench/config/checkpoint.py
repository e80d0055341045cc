"""The section `checkpoint` of a card: how a foreign checkpoint's tensors become a cascade's weights."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Literal

from pydantic import Field, field_validator

from ivbench.config.parse import Frozen

__all__ = ["CheckpointConfig", "KeyRule", "StageSource"]


class KeyRule(Frozen):
    """One line of the key map: foreign names, what they are called here, and how their axes turn."""

    match: str = Field(description="regular expression over a whole name in the checkpoint, below its weights' path")
    name: str = Field(description=r"the parameter's name in the cascade; \1 or \g<name> stand for groups of `match`")
    layout: str | None = Field(
        default=None, description="axes before and after, in einops' notation: `h w i o -> o i h w`; None: as they are"
    )

    @field_validator("match")
    @classmethod
    def _compiles(cls, match: str) -> str:
        return _pattern(match)


class StageSource(Frozen):
    """Where a stage's weights lie in the checkpoint; what is left out is looked for under the usual names."""

    file: str | None = Field(default=None, description="where the checkpoint is a folder of files: this stage's")
    raw: str | None = Field(default=None, description='path of the raw weights, dotted; "" = the top')
    ema: str | None = Field(default=None, description="path of the EMA weights, dotted")

    @field_validator("file")
    @classmethod
    def _inside(cls, file: str | None) -> str | None:
        if file is not None and (file.startswith("/") or "\\" in file or ".." in PurePosixPath(file).parts):
            raise ValueError(f'"{file}" is not a path inside the checkpoint\'s folder')
        return file


class CheckpointConfig(Frozen):
    """How `ivbench zoo import` reads a checkpoint. Nothing here is guessed: what is not declared must fit as it is."""

    stages: dict[str, StageSource] = Field(
        default_factory=dict, description="stage -> where its weights lie; where given, the stages that are read"
    )
    use: Literal["auto", "ema", "raw"] = Field(default="auto", description="auto: EMA weights where there are some")
    key_map: tuple[KeyRule, ...] = Field(default=(), description="the first rule that matches a name renames it")
    ignore: tuple[str, ...] = Field(
        default=(), description="regular expressions over whole names, from the top: tensors that are not weights"
    )
    dtype: Literal["float16", "bfloat16", "float32"] | None = Field(
        default=None, description="store all weights so; None: bit for bit as they are"
    )
    void: Literal["bfloat16"] | None = Field(
        default=None, description="what .npz arrays of 2-byte `void` are: NumPy writes bfloat16 so"
    )

    @field_validator("ignore")
    @classmethod
    def _compile(cls, ignore: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(_pattern(pattern) for pattern in ignore)


def _pattern(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f'"{text}" is not a regular expression: {error}') from error
    return text
