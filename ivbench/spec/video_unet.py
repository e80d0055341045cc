"""The Video U-Net as data: what a framework needs to build it, and nothing of a framework."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from ivbench.spec.frozen import Frozen

__all__ = ["Temporal", "VideoUNetSpec"]

Temporal = Literal["attention", "convolution", "none"]


class VideoUNetSpec(Frozen):
    """A space-time separable U-Net (Ho et al. 2022, 2204.03458; Imagen Video, 2210.02303, section 2.2).

    Every block is: spatial convolutions -> spatial attention (over the frame's positions and the text tokens) ->
    temporal attention or temporal convolution. The lists have one entry a level, from the highest resolution down.
    """

    channels: int = Field(gt=0, description="width of the first level")
    multipliers: tuple[int, ...] = Field(description="width of each level, in `channels`")
    blocks: tuple[int, ...] = Field(description="blocks of each level, on the way down and again on the way up")
    spatial_attention: tuple[bool, ...] = Field(description="self- and text attention at each level")
    temporal: tuple[Temporal, ...] = Field(description="how frames mix at each level")
    head_dim: int = Field(default=32, gt=0)
    text_dim: int = Field(gt=0, description="width of the text encoder's tokens")
    embedding_dim: int = Field(gt=0, description="width of the conditioning embedding")
    space_to_depth: int = Field(default=1, ge=1, description="pixels a side folded into channels at the stem")
    conditioning: bool = Field(default=False, description="a conditioning video is concatenated channelwise to z_t")
    augmentation: bool = Field(default=False, description="the conditioning video's log SNR is embedded")
    guidance_embedding: bool = Field(default=False, description="the guidance weight w is embedded (distilled models)")
    jump_embedding: bool = Field(
        default=False,
        exclude_if=lambda value: value is False,
        description="how many steps of 1/N a prediction is used for is embedded (distilled for two samplers): 1 or 2",
    )
    coordinates: bool = Field(default=False, description="x and y of each pixel enter the stem")
    clean_head: bool = Field(
        default=False,
        description="the head makes the clean video x, and the net returns v = (alpha z - x) / sigma: noise need not "
        "pass through a net that is narrow for its space-to-depth (v-prediction only)",
    )
    head_film: bool = Field(default=False, description="the embedding scales and shifts the head's features too")
    middle: int = Field(default=1, ge=0, description="blocks between the way down and the way up")
    skip_scale: float = Field(default=1.0, gt=0, description="factor on skip connections; Imagen: 1/sqrt(2)")
    groups: int = Field(default=8, gt=0, description="groups of each group norm")

    @model_validator(mode="after")
    def _check(self) -> VideoUNetSpec:
        levels = len(self.multipliers)
        if not levels or self.multipliers[0] != 1 or min(self.multipliers) < 1:
            raise ValueError(f"multipliers must be positive and begin with 1, got {list(self.multipliers)}")
        for name in ("blocks", "spatial_attention", "temporal"):
            if len(getattr(self, name)) != levels:
                raise ValueError(f"{name} has {len(getattr(self, name))} entries, multipliers has {levels}")
        if min(self.blocks) < 0:
            raise ValueError(f"blocks must be 0 or more at each level, got {list(self.blocks)}")
        for width in self.widths:
            if width % self.groups or width % self.head_dim:
                raise ValueError(
                    f"a level's width {width} must be a multiple of groups {self.groups} and head_dim {self.head_dim}"
                )
        if self.augmentation and not self.conditioning:
            raise ValueError("augmentation needs conditioning: there is no conditioning video to augment")
        return self

    @property
    def widths(self) -> tuple[int, ...]:
        """Channels of each level."""
        return tuple(self.channels * multiplier for multiplier in self.multipliers)

    @property
    def fully_convolutional(self) -> bool:
        """Whether the net may be trained on crops and run at any size: no spatial attention, no coordinates."""
        return not any(self.spatial_attention) and not self.coordinates

    @property
    def stride(self) -> int:
        """Height and width must be multiples of this."""
        return int(self.space_to_depth * 2 ** (len(self.multipliers) - 1))
