"""card.yaml: what a folder of the zoo holds, under which licence, and the digest of each of its files."""

from __future__ import annotations

import difflib
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from ivbench.config.canonical import digest
from ivbench.config.checkpoint import CheckpointConfig
from ivbench.config.parse import Frozen, parse
from ivbench.config.settings import Settings

__all__ = ["SNAPSHOTS", "CardConfig", "CardFile", "parse_card"]

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class CardFile(Frozen):
    """One file of a card's folder."""

    sha256: Sha256
    bytes: int | None = Field(default=None, ge=0)
    url: str | None = Field(default=None, description="where the file comes from, if it isn't shipped")


SNAPSHOTS = "snapshots"
"""Name of the folder of a training's snapshots, each a cascade."""


class CardConfig(Frozen):
    """A card: data only."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", description="the name of its folder")
    kind: Literal["cascade", "text-encoder", "probe", "recipe"]
    description: str = ""
    licence: str = Field(min_length=1, description="SPDX identifier")
    adapter: str = Field(default="native", description="cascade: the adapter that loads it")
    text_encoder: str | None = Field(default=None, description="cascade: the card, folder or hub id of its encoder")
    weights: dict[str, str] = Field(default_factory=dict, description="cascade: stage -> file; empty: no weights")
    files: dict[str, CardFile] = Field(default_factory=dict, description="path in the folder -> digest")
    sampling: Settings = Field(default=Settings(), description="cascade: chosen on validation prompts; suites override")
    seconds_per_evaluation: dict[str, Annotated[float, Field(gt=0)]] = Field(
        default_factory=dict,
        description="cascade: stage -> measured seconds of one video and network evaluation; `ivbench plan` estimates "
        "by it until the store knows this machine",
    )
    seconds_per_video: float | None = Field(
        default=None, gt=0, description="probe: measured seconds of one video's features; for `ivbench plan`, likewise"
    )
    feature_dim: int | None = Field(
        default=None, gt=0, description="probe: features of a frame or a clip; for `ivbench plan`, likewise"
    )
    training_step: int | None = Field(
        default=None, gt=0, description="cascade: of a snapshot along a training, after how many updates"
    )
    checkpoint: CheckpointConfig | None = Field(
        default=None, description="cascade: how `ivbench zoo import` reads a foreign checkpoint"
    )
    partial: dict[str, str] = Field(
        default_factory=dict,
        description="cascade: stage -> what of its weights did not load as it is; every number of a run is then marked",
    )
    digest: Sha256 | None = Field(
        default=None, description="identity of what is loaded, where its maker states one; else see `identity`"
    )
    details: dict[str, Any] = Field(
        default_factory=dict,
        description="every other key of the file: recipe, data, scores, limits. Shown, never computed with",
    )

    @model_validator(mode="before")
    @classmethod
    def _gather(cls, data: Any) -> Any:
        """Keys that are no field become details, unless they look like a misspelt field; `file: sha256` is a file."""
        if not isinstance(data, dict):
            return data
        other = {key: value for key, value in data.items() if key not in cls.model_fields}
        for key in other:
            near = difflib.get_close_matches(key, cls.model_fields, n=1, cutoff=0.8)
            if near:
                raise ValueError(f'unknown key "{key}". Did you mean "{near[0]}"? Put facts of your own under details')
        known = {key: value for key, value in data.items() if key in cls.model_fields}
        if isinstance(known.get("files"), dict):
            known["files"] = {
                name: {"sha256": file} if isinstance(file, str) else file for name, file in known["files"].items()
            }
        known.setdefault("description", other.pop("summary", ""))
        if other:
            known["details"] = {**known.get("details", {}), **other}
        return known

    @model_validator(mode="after")
    def _check(self) -> Self:
        for name in (*self.files, *self.weights.values()):
            _inside(name)
        missing = sorted(set(self.weights.values()) - set(self.files))
        if missing:
            raise ValueError(f'weights names "{missing[0]}", which files does not list; add it with its sha256')
        return self

    @property
    def identity(self) -> str:
        """What stands for the card in task ids: over its files' digests; where it lists none, the stated one."""
        if self.digest is not None and not self.files:
            return self.digest
        return digest({"kind": self.kind, "files": {name: file.sha256 for name, file in self.files.items()}})


def _inside(name: str) -> None:
    """Refuse a path that could leave the card's folder."""
    parts = PurePosixPath(name).parts
    if not parts or name.startswith("/") or "\\" in name or ":" in name or ".." in parts or "\0" in name:
        raise ValueError(f'"{name}" is not a path inside the card\'s folder; use names such as base.safetensors')


def parse_card(data: Any, where: str = "card") -> CardConfig:
    """Validate what a card.yaml held.

    Raises:
        ConfigError: an unknown key, a wrong type, a path that leaves the folder; names the key's path.
    """
    return parse(CardConfig, data, where)
