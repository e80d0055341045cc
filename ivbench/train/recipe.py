"""Training recipes: YAML to frozen models."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["StageRecipe"]


class StageRecipe(BaseModel):
    """How one stage of a cascade is trained (Imagen Video, section 2.5: joint images and videos, v-prediction)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["stage"] = "stage"
    cascade: str = Field(description="the zoo's name of the cascade whose cascade.yaml has the stage")
    stage: str
    steps: int = Field(gt=0)
    batch: int = Field(gt=0)
    seed: int = Field(ge=0)
    learning_rate: float = Field(gt=0)
    warm_up: int = Field(default=200, ge=0, description="steps of linear warm-up; cosine decay to 0 follows")
    weight_decay: float = Field(default=0.01, ge=0)
    betas: tuple[float, float] = (0.9, 0.99)
    clip_norm: float = Field(default=1.0, gt=0, description="gradients are scaled down to this norm")
    ema: float = Field(default=0.999, ge=0, lt=1)
    text_dropout: float = Field(default=0.1, ge=0, le=1)
    images: float = Field(default=0.25, ge=0, le=1, description="share of rows that are packs of independent images")
    logsnr_shift: float = Field(default=0.0, description="nats, added to the log SNR that training draws")
    loss_knee: float | None = Field(
        default=None,
        description="nats: the squared error of v is weighted by sigmoid(loss_knee - logsnr), which spends the net on "
        "structure rather than on the last traces of noise; None: not weighted",
    )
    augmentation_max_time: float = Field(
        default=0.6, ge=0, le=1, description="the conditioning video's log SNR is lambda(u), u ~ U[0, this]"
    )
    crop: tuple[int, int] | None = Field(default=None, description="(H, W) of random spatial crops of the output")
    checkpoint_every: int = Field(default=200, gt=0)
    strip_every: int = Field(default=1000, gt=0)
