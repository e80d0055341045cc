"""Training recipes: YAML to frozen models."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from ivbench.config import Frozen
from ivbench.errors import ConfigError, MissingFileError, did_you_mean
from ivbench.zoo import find_zoo

__all__ = [
    "KINDS",
    "DataRecipe",
    "NormalLogSNR",
    "OptimizerRecipe",
    "StageRecipe",
    "find_recipe",
    "recipe_kind",
]

KINDS = ("stage", "distillation", "text-encoder", "frame-probe", "video-probe", "clip-probe")


Share = Annotated[float, Field(ge=0, lt=1)]


class NormalLogSNR(Frozen):
    """Log SNRs drawn from a normal distribution (Karras et al. 2022, 2206.00364, section 5), in nats.

    A tenth of the rows keeps to the schedule at uniform times: sampling begins where a normal distribution has no mass.
    """

    mean: float
    std: float = Field(gt=0)


class OptimizerRecipe(Frozen):
    """Which optimizer moves the weights."""

    optimizer: Literal["adamw", "muon"] = Field(
        default="adamw",
        description="muon: matrices and convolutions by Muon, whose steps are scaled to AdamW's; the rest by AdamW",
    )
    weight_decay: float = Field(default=0.01, ge=0)
    betas: tuple[Share, Share] = (0.9, 0.99)
    clip_norm: float = Field(default=1.0, gt=0, description="gradients are scaled down to this norm")


class DataRecipe(OptimizerRecipe):
    """What a stage of a cascade sees in training (Imagen Video, section 2.5: joint images and videos)."""

    cascade: str = Field(description="name in the zoo, or folder, of the cascade whose cascade.yaml has the stage")
    stage: str
    batch: int = Field(gt=0)
    seed: int = Field(ge=0, lt=2**63)
    text_dropout: float = Field(default=0.1, ge=0, le=1)
    images: float = Field(default=0.25, ge=0, le=1, description="share of rows that are packs of independent images")
    augmentation_max_time: float = Field(
        default=0.6, ge=0, le=1, description="the conditioning video's log SNR is lambda(u), u ~ U[0, this]"
    )
    crop: tuple[int, int] | None = Field(
        default=None, strict=False, description="SSR: (H, W) of random spatial crops of the output"
    )
    checkpoint_every: int = Field(default=200, gt=0)


class StageRecipe(DataRecipe):
    """How one stage of a cascade is trained (Imagen Video, section 2.5: joint images and videos, v-prediction)."""

    kind: Literal["stage"] = "stage"
    steps: int = Field(gt=0)
    learning_rate: float = Field(gt=0)
    warm_up: int = Field(default=200, ge=0, description="steps of linear warm-up; cosine decay to 0 follows")
    ema: float = Field(default=0.999, ge=0, lt=1)
    whiten_text: bool = Field(
        default=False, description="start the text projections at whitened text; see ivbench.train.torch_text_whitening"
    )
    logsnr: NormalLogSNR | None = Field(
        default=None, description="where training looks; None: the stage's schedule at uniform times"
    )
    loss_cap: float | None = Field(
        default=None,
        gt=0,
        description="the squared error of x is weighted by sqrt(SNR), from SNR 0.01 up to this; None: the plain "
        "squared error of the stage's prediction",
    )
    strip_every: int = Field(default=1000, gt=0)
    snapshots: tuple[Annotated[int, Field(gt=0)], ...] = Field(
        default=(), description="after these steps the averaged weights are left as a cascade of their own"
    )
    changes: dict[str, Any] = Field(
        default={}, description="what differs from the stage in cascade.yaml, such as {parameterization: eps}"
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        late = [step for step in self.snapshots if step > self.steps]
        if late:
            raise ValueError(f"snapshots: step {late[0]} comes after the last, {self.steps}")
        return self


def find_recipe(name: str | Path, zoo: Path | None = None) -> Path:
    """The file of a recipe.

    Args:
        name: a path, or the name of a file in the zoo's `recipes`, such as t5-mini.
        zoo: the zoo's folder; None: `find_zoo()`.

    Raises:
        ConfigError: no recipe of the zoo has that name; says the nearest.
        MissingFileError: the path leads nowhere.
    """
    path = Path(name)
    if path.is_file():
        return path
    if path.suffix in (".yaml", ".yml") or len(path.parts) != 1:
        raise MissingFileError(f"{path} is not there. Check the path, or name a recipe of the zoo.")
    known = {file.stem: file for file in sorted((zoo or find_zoo()).glob("recipes/*.yaml"))}
    if str(name) not in known:
        raise ConfigError(f'the zoo has no recipe called "{name}".{did_you_mean(str(name), known)}')
    return known[str(name)]


def recipe_kind(data: Any, where: str) -> str:
    """What a recipe trains: one of `KINDS`.

    Raises:
        ConfigError: no kind, or an unknown one.
    """
    kind = data.get("kind") if isinstance(data, dict) else None
    if kind not in KINDS:
        hint = did_you_mean(kind, KINDS) if isinstance(kind, str) else f" Allowed: {', '.join(KINDS)}."
        got = f'kind "{kind}" is not known.' if kind is not None else 'the key "kind" is missing.'
        raise ConfigError(f"{where}: {got}{hint}")
    return str(kind)
