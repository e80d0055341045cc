"""A cascade as data: its stages in order, and its text encoder."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from ivbench.errors import did_you_mean
from ivbench.registry import names
from ivbench.spec.distilled import DistilledSpec
from ivbench.spec.flops import flops
from ivbench.spec.frozen import Frozen
from ivbench.spec.network import NetworkSpec
from ivbench.spec.parameters import count
from ivbench.spec.video_unet import VideoUNetSpec

__all__ = ["CascadeSpec", "StageKind", "StageSpec", "TextSpec"]

StageKind = Literal["base", "tsr", "ssr"]


class TextSpec(Frozen):
    """The frozen text encoder."""

    encoder: str = Field(description="a zoo name, a local folder or a hub id")
    dim: int = Field(gt=0)
    length: int = Field(gt=0, description="tokens a prompt; longer prompts are cut, keeping the end token")


class StageSpec(Frozen):
    """One stage: the size of its output video, its network and how that was trained."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_-]*$")
    kind: StageKind
    frames: int = Field(gt=0)
    height: int = Field(gt=0)
    width: int = Field(gt=0)
    fps: float = Field(gt=0)
    unet: VideoUNetSpec = Field(  # type: ignore[assignment]  # its readers all need one; None where network is given
        default=None,
        exclude_if=lambda value: value is None,
        description="the network, a Video U-Net of ours; absent where `network` is given",
    )
    network: NetworkSpec | None = Field(
        default=None,
        exclude_if=lambda value: value is None,
        description="the network, where an adapter brings another project's",
    )
    parameterization: Literal["x", "eps", "v"] = "v"
    schedule: str = "cosine"
    logsnr_min: float = -20.0
    logsnr_max: float = 20.0
    frame_filling: Literal["repeat", "blank"] = Field(
        default="repeat", description="TSR: what stands in for the missing frames of the conditioning video"
    )
    oscillates: bool = Field(default=False, description="the paper's oscillating guidance applies to this stage")
    distilled: DistilledSpec | None = Field(
        default=None,
        exclude_if=lambda value: value is None,
        description="what it was distilled to; none: not distilled",
    )

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(T, H, W, C) of the output video."""
        return self.frames, self.height, self.width, 3

    @property
    def parameters(self) -> int:
        """Number of parameters."""
        return count(self.unet) if self.network is None else self.network.parameters

    @property
    def augmentation(self) -> bool:
        """Whether the network is told the log SNR of its conditioning video's noise."""
        return self.unet.augmentation if self.network is None else self.network.augmentation

    @property
    def guidance_embedding(self) -> bool:
        """Whether the network is told the guidance weight (distilled models)."""
        return self.network is None and self.unet.guidance_embedding

    def flops(self, text_length: int) -> int:
        """FLOPs of one network evaluation of one video."""
        if self.network is not None:
            return self.network.flops
        return flops(self.unet, self.frames, self.height, self.width, text_length)

    @model_validator(mode="after")
    def _check(self) -> StageSpec:
        if not -60 <= self.logsnr_min < self.logsnr_max <= 60:
            raise ValueError(
                f'stage "{self.name}": logsnr_min {self.logsnr_min:g} must be below logsnr_max {self.logsnr_max:g}, '
                "both within 60 nats of 0"
            )
        if self.schedule not in names("schedule"):
            hint = did_you_mean(self.schedule, names("schedule"))
            raise ValueError(f'stage "{self.name}": no schedule is called "{self.schedule}".{hint}')
        if ("unet" in self.model_fields_set) == (self.network is not None):
            raise ValueError(f'stage "{self.name}" needs one of unet (a Video U-Net) and network (an adapter\'s)')
        stride = self.unet.stride if self.network is None else self.network.multiple_of
        if self.height % stride or self.width % stride:
            raise ValueError(
                f'stage "{self.name}" is {self.height}x{self.width} (HxW); its net needs multiples of {stride}'
            )
        if self.network is not None:
            if self.distilled is not None:
                raise ValueError(f'stage "{self.name}": distilled goes with unet, not with network')
            return self
        if self.unet.clean_head and self.parameterization != "v":
            raise ValueError(
                f'stage "{self.name}": unet.clean_head needs parameterization v, got {self.parameterization}'
            )
        if self.unet.conditioning != (self.kind != "base"):
            raise ValueError(f'stage "{self.name}" is {self.kind}: unet.conditioning must be {self.kind != "base"}')
        _check_distilled(self.name, self.unet, self.distilled)
        return self


class CascadeSpec(Frozen):
    """A text encoder and stages that feed one another."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", description="also names the folder of its results")
    text: TextSpec
    stages: tuple[StageSpec, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _check(self) -> CascadeSpec:
        names = [stage.name for stage in self.stages]
        if len(set(names)) != len(names):
            raise ValueError(f"stage names must differ, got {', '.join(names)}")
        if self.stages[0].kind != "base":
            raise ValueError(f'the first stage must be of kind base, got {self.stages[0].kind} "{names[0]}"')
        for before, stage in zip(self.stages, self.stages[1:], strict=False):
            _check_pair(before, stage)
        for stage in self.stages:
            if stage.network is None and stage.unet.text_dim != self.text.dim:
                raise ValueError(
                    f'stage "{stage.name}" expects text tokens of width {stage.unet.text_dim}, '
                    f"the text encoder {self.text.encoder} gives {self.text.dim}"
                )
        return self

    def stage(self, name: str) -> StageSpec:
        """The stage of that name.

        Raises:
            KeyError: no such stage.
        """
        return next((stage for stage in self.stages if stage.name == name), None) or _missing(name)

    def before(self, name: str) -> StageSpec | None:
        """The stage that feeds the one of that name; None for the first."""
        names = [stage.name for stage in self.stages]
        index = names.index(name)
        return self.stages[index - 1] if index else None


def _check_distilled(name: str, unet: VideoUNetSpec, distilled: DistilledSpec | None) -> None:
    """The net has an input for what it must be told, and no other."""
    takes_weight = distilled is not None and distilled.guidance is not None
    takes_jump = distilled is not None and len(distilled.samplers) > 1
    for key, has, needs, why in (
        ("guidance_embedding", unet.guidance_embedding, takes_weight, "distilled.guidance"),
        ("jump_embedding", unet.jump_embedding, takes_jump, "two distilled.samplers"),
    ):
        if has != needs:
            raise ValueError(f'stage "{name}": unet.{key} goes with {why}, it must be {needs} here')


def _missing(name: str) -> StageSpec:
    raise KeyError(name)


def _check_pair(before: StageSpec, stage: StageSpec) -> None:
    got = f"{before.frames}x{before.height}x{before.width} from {before.name}"
    if stage.kind == "base":
        raise ValueError(f'stage "{stage.name}" is of kind base; only the first stage may be')
    if stage.kind == "tsr":
        fits = stage.frames % before.frames == 0 and (stage.height, stage.width) == (before.height, before.width)
        need = f"a whole fraction of {stage.frames} frames of {stage.height}x{stage.width}"
    else:
        # A network of another project may raise frames and size at once; ours raise one a stage.
        lengthens = stage.network is not None and stage.frames % before.frames == 0
        fits = stage.frames == before.frames or lengthens
        fits = fits and stage.height % before.height == 0 and stage.width % before.width == 0
        fits = fits and stage.height * before.width == stage.width * before.height
        need = f"{stage.frames} frames of a whole fraction of {stage.height}x{stage.width}"
    if not fits:
        raise ValueError(f'stage "{stage.name}" expects {need} (HxW), got {got}. Set stages.{stage.name} to fit.')
