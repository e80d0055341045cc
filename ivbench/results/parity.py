"""`parity.json`: whether the backends agree on a cascade, as `ivbench zoo parity` found it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from ivbench.config import Frozen, canonical_json, parse
from ivbench.errors import ConfigError, MissingFileError
from ivbench.results.atomic import write_bytes

__all__ = ["PARITY", "Check", "Parity", "read_parity", "write_parity"]

PARITY = "parity.json"
"""Its name beside the results of the same cascade, whose report then shows it."""


class Check(Frozen):
    """One thing that must agree."""

    stage: str
    what: str
    found: float = Field(description="the largest difference, or JAX's score")
    maximum: float | None = Field(default=None, description="where `found` is a percentile: the largest difference")
    low: float | None = Field(default=None, description="least value allowed")
    high: float = Field(description="largest value allowed")

    @property
    def agrees(self) -> bool:
        """Whether `found` is allowed; NaN is not."""
        return (self.low is None or self.low <= self.found) and self.found <= self.high


class Parity(Frozen):
    """What `ivbench zoo parity` found."""

    format: Literal["ivbench-parity"] = "ivbench-parity"
    version: int = 1
    cascade: str
    digest: str = Field(description="of the cascade")
    dtype: str
    steps: dict[str, int] = Field(description="stage -> steps of the whole run")
    guidance: dict[str, str] = Field(description="stage -> guidance of the whole run")
    prompts: tuple[str, ...]
    clip_score: dict[str, float] = Field(description="backend -> mean over prompts")
    environment: dict[str, Any] = Field(description="of the run in JAX")
    checks: tuple[Check, ...]

    @property
    def agrees(self) -> bool:
        """Whether every check does."""
        return all(check.agrees for check in self.checks)


def write_parity(parity: Parity, path: Path) -> None:
    """Write it, whole or not at all.

    Raises:
        StoreError: the place can't be written.
    """
    write_bytes(path, canonical_json(parity.model_dump(mode="json")).encode() + b"\n")


def read_parity(path: Path) -> Parity:
    """Read a `parity.json`.

    Raises:
        ConfigError: it is none.
        MissingFileError: there's no such file.
    """
    again = f"ivbench zoo parity CASCADE --out {path}"
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, IsADirectoryError) as error:
        raise MissingFileError(f"{path} is not there. Make it: {again}") from error
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path} is not JSON: {error}. Make it again: {again}") from error
    return parse(Parity, data, str(path))
