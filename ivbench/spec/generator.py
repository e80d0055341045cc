"""A generator as data: what its videos are, what of it can be set, and what decides its samples. No framework."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from ivbench.errors import ConfigError
from ivbench.spec.frozen import Frozen

__all__ = ["GeneratorSpec", "Scalar"]

Scalar = str | int | float | bool | None


class GeneratorSpec(Frozen):
    """Prompts to videos, inside unknown: one stage whose network evaluations and FLOPs nobody counts."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", description="also names the folder of its results")
    kind: Literal["generator", "videos"] = Field(default="generator", description="videos: already sampled")
    frames: int = Field(gt=0)
    height: int = Field(gt=0)
    width: int = Field(gt=0)
    fps: float = Field(gt=0)
    settings: dict[str, Scalar] = Field(
        default_factory=dict,
        description="what can be swept, each with its default: steps, guidance (the weight w; scale = 1 + w), "
        "negative_prompt, sampler, or names of its own, which a suite sets under options; None: its own default",
    )
    refuses: dict[str, str] = Field(
        default_factory=dict, description="a setting that cannot be swept -> why, as an error says it"
    )
    sizes: tuple[Literal["frames", "height", "width", "fps"], ...] = Field(
        default=(), description="what a suite's video may change"
    )
    batch: int = Field(default=1, gt=0, description="videos of one call, kept together: what a kill loses at most")
    parameters: int | None = Field(default=None, gt=0, description="number of parameters; None: unknown")

    @model_validator(mode="after")
    def _check(self) -> GeneratorSpec:
        both = sorted(self.settings.keys() & self.refuses.keys())
        if both:
            raise ValueError(f'generator "{self.name}": {both[0]} is in settings and in refuses; it is one of them')
        return self

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(T, H, W, C) of its videos."""
        return self.frames, self.height, self.width, 3

    @property
    def stages(self) -> tuple[GeneratorSpec, ...]:
        """Itself: as a cascade it is one stage."""
        return (self,)

    def stage(self, name: str) -> GeneratorSpec:
        """Itself.

        Raises:
            KeyError: another name.
        """
        if name != self.name:
            raise KeyError(name)
        return self

    def before(self, name: str) -> None:
        """None: nothing feeds it."""

    def sized(self, asked: dict[str, int | float]) -> GeneratorSpec:
        """The generator whose videos have the size that is asked for.

        Args:
            asked: some of frames, height, width, fps.

        Raises:
            ConfigError: it does not take one of them.
        """
        for name, value in asked.items():
            own = getattr(self, name)
            if name not in self.sizes and value != own:
                raise ConfigError(
                    f'video.{name} is {value:g}: the videos of generator "{self.name}" have {name} {own:g}. '
                    f"What it can be asked for: {', '.join(self.sizes) or 'nothing'}."
                )
        return self.model_copy(update=asked)
