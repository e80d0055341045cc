"""What a distilled stage is: the guidance weights that its network takes, the samplers and the steps that it is for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import Field, model_validator

from ivbench.errors import ConfigError
from ivbench.spec.frozen import Frozen

__all__ = ["DistilledSpec"]


class DistilledSpec(Frozen):
    """How a stage was distilled, and so how it may be sampled.

    Guidance distillation alone (`guidance` without `steps`) leaves a network in continuous time: any sampler, any
    number of steps. Progressive distillation makes one for `steps` steps, at the times i / steps, of `samplers`.

    Source: Meng et al. 2022 (2210.03142); Salimans & Ho 2022 (2202.00512); paper, section 2.7.
    """

    guidance: tuple[float, float] | None = Field(
        default=None,
        description="least and largest guidance weight w that the network takes as an input; none: no input",
    )
    samplers: tuple[Literal["ddim", "stochastic"], ...] = Field(
        default=(), description="what the network was distilled for; with both it is told which"
    )
    steps: int | None = Field(default=None, gt=0, description="number of steps that it was distilled to")

    @model_validator(mode="after")
    def _check(self) -> DistilledSpec:
        if self.guidance is None and self.steps is None:
            raise ValueError("distilled needs guidance [least, largest w], or samplers and steps, or all three")
        if self.guidance is not None and not 0 <= self.guidance[0] < self.guidance[1]:
            raise ValueError(f"distilled.guidance must be [least, largest w] from 0 up, got {list(self.guidance)}")
        if (self.steps is None) != (not self.samplers) or len(set(self.samplers)) != len(self.samplers):
            raise ValueError(
                f"distilled.samplers and distilled.steps go together, got {list(self.samplers)} and {self.steps}"
            )
        return self

    def require(self, stage: str, sampler: str, num_steps: int, weights: Sequence[float]) -> None:
        """Refuse what the stage was not distilled for.

        Args:
            stage: its name, for the message.
            sampler: registered name.
            num_steps: of the run.
            weights: guidance weight w of each step.

        Raises:
            ConfigError: other steps, another sampler, a weight out of range, or guidance on top of a network that
                does not take the weight.
        """
        if self.steps is not None and (sampler not in self.samplers or num_steps != self.steps):
            allowed = " or ".join(f"{self.steps} steps of {name}" for name in self.samplers)
            raise ConfigError(
                f'stage "{stage}" is distilled to {allowed}, got {num_steps} of {sampler}. '
                f"Set steps.{stage}: {self.steps} and sampler.{stage}: {self.samplers[0]}, "
                "or take an undistilled cascade."
            )
        for w in weights:
            if self.guidance is None and w != 0:
                raise ConfigError(
                    f'stage "{stage}" is distilled without guidance; classifier-free guidance on top of a distilled '
                    f"stage is not allowed, got w={w:g}. Set guidance.{stage}: 0."
                )
            if self.guidance is not None and not self.guidance[0] <= w <= self.guidance[1]:
                low, high = self.guidance
                raise ConfigError(
                    f'stage "{stage}" takes the guidance weight as an input and knows w from {low:g} to {high:g}, '
                    f"got w={w:g}. Set guidance.{stage} inside."
                )
