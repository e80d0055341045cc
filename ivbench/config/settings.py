"""How a stage is sampled: as a suite says it (partly, by stage) and as it is resolved for one stage (fully)."""

from __future__ import annotations

import re
from typing import Any, Literal, Self

from pydantic import ConfigDict, Field, field_validator, model_validator

from ivbench.config import axis_schema
from ivbench.config.parse import Frozen
from ivbench.spec import Scalar

__all__ = [
    "AXES",
    "DEFAULT",
    "OF_GENERATORS",
    "ORIGINAL",
    "AnySampling",
    "GeneratorSampling",
    "Guidance",
    "GuidanceConfig",
    "Oscillation",
    "Settings",
    "StageSampling",
    "Thresholding",
    "read_augmentation",
    "read_guidance",
    "read_thresholding",
]

AXES = (
    "weights",
    "guidance",
    "sampler",
    "steps",
    "gamma",
    "thresholding",
    "augmentation_snr",
    "negative_prompt",
    "options",
)
"""The grid's axes, in the order of labels and tables."""
OF_GENERATORS = ("negative_prompt", "options")
"""The axes that no cascade has."""

DEFAULT = "default"
ORIGINAL = "original"
"""The weights of the cascade itself."""
_CALL = re.compile(r"\s*([a-z]+)\s*[(=]\s*([^()]*?)\s*\)?\s*")


class Guidance(Frozen):
    """Resolved classifier-free guidance of one stage: x = (1 + w) x_c - w x_u (paper, equation 5).

    `oscillate`: high for the first ceil(initial * num_steps) steps, then low and high in turn,
    beginning with `phase`.
    """

    kind: Literal["constant", "oscillate"]
    w: float | None = Field(default=None, description="constant: the weight w; the scale is 1 + w")
    high: float | None = None
    low: float | None = None
    initial: float | None = Field(default=None, description="oscillate: share of the steps that begin with high")
    phase: Literal["low", "high"] | None = Field(default=None, description="oscillate: what comes first after them")

    @property
    def label(self) -> str:
        """As in tables and labels: `w=3` or `osc(15,1)`."""
        return f"w={self.w:g}" if self.kind == "constant" else f"osc({self.high:g},{self.low:g})"


class Thresholding(Frozen):
    """How the predicted clean video is kept in [-1, 1]: static clip, dynamic by percentile (Imagen), or none."""

    model_config = ConfigDict(json_schema_extra=axis_schema.THRESHOLDING)

    kind: Literal["none", "static", "dynamic"]
    percentile: float | None = Field(default=None, gt=0, le=100)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.kind == "dynamic") != (self.percentile is not None):
            raise ValueError(f"{self.kind} thresholding: a percentile belongs to dynamic, and only to it")
        return self

    @property
    def label(self) -> str:
        """As in tables and labels: `none`, `static` or `dynamic(99.5)`."""
        return self.kind if self.percentile is None else f"dynamic({self.percentile:g})"


class StageSampling(Frozen):
    """Everything that a runner needs to know of how one stage is sampled. Resolved: nothing is left to a default."""

    sampler: str
    num_steps: int = Field(gt=0)
    gamma: float | None = Field(ge=0, le=1, description="ancestral only: 0 = lower, 1 = upper variance; else None")
    thresholding: Thresholding
    guidance: Guidance
    augmentation_snr: float | None = Field(
        gt=0, description="SNR = alpha^2 / sigma^2 of the augmented conditioning video; None: not augmented"
    )


class GeneratorSampling(Frozen):
    """Everything that a generator is told beside prompts, seeds and size. Resolved: each setting has a value."""

    settings: dict[str, Scalar] = Field(description="by name, as the generator lists them; guidance is the weight w")

    @property
    def guidance_w(self) -> float | None:
        """The guidance weight w; None where it has none, or its own default."""
        found = self.settings.get("guidance")
        return None if found is None else float(found)


AnySampling = StageSampling | GeneratorSampling


class Oscillation(Frozen):
    """Oscillating guidance as configured (paper, section 2.5)."""

    high: float = Field(ge=0)
    low: float = Field(ge=0)
    initial: float = Field(default=0.1, ge=0, le=1, description="share of the steps that begin with high, rounded up")
    phase: Literal["low", "high"] = Field(default="low", description="what comes first after them")
    stages: tuple[str, ...] | None = Field(
        default=None, description="stages that oscillate; None: those that the cascade's spec marks"
    )
    otherwise: float = Field(default=6.0, ge=0, description="the constant weight w of the other stages")


class GuidanceConfig(Frozen):
    """Guidance as configured: one of constant and oscillate."""

    model_config = ConfigDict(json_schema_extra=axis_schema.one_of(constant="number", oscillate="object"))

    constant: float | None = Field(default=None, ge=0, description="the weight w; the scale is 1 + w")
    oscillate: Oscillation | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.constant is None) == (self.oscillate is None):
            raise ValueError("guidance needs one of constant and oscillate")
        return self


class Settings(Frozen):
    """Sampling settings, each optional. A plain value holds for all stages; a mapping holds by stage.

    The keys of a mapping, from strong to weak: a stage's name, its kind (base, tsr, ssr), `sr` (all but base),
    `default`.
    """

    weights: dict[str, str] | None = Field(
        default=None,
        json_schema_extra=axis_schema.setting(axis_schema.TEXT),
        description="original: the cascade's own; or another cascade's name or folder, whose stage of the same name "
        "stands in: a distilled one, another checkpoint",
    )
    guidance: dict[str, GuidanceConfig] | None = Field(
        default=None,
        json_schema_extra=axis_schema.setting(*axis_schema.GUIDANCE, taken=GuidanceConfig.model_fields),
        description="a weight w, constant=6, oscillate(15,1), or {oscillate: {high, low, ...}}",
    )
    sampler: dict[str, str] | None = Field(
        default=None, json_schema_extra=axis_schema.sampler, description="a registered sampler: ddim, ancestral, ..."
    )
    steps: dict[str, int] | None = Field(
        default=None,
        json_schema_extra=axis_schema.setting(axis_schema.STEPS),
        description="number of steps, at least 1",
    )
    gamma: dict[str, float] | None = Field(
        default=None,
        json_schema_extra=axis_schema.setting(axis_schema.GAMMA),
        description="0 to 1; matters to the ancestral sampler only",
    )
    thresholding: dict[str, Thresholding] | None = Field(
        default=None,
        json_schema_extra=axis_schema.setting(*axis_schema.PLAIN_THRESHOLDING, taken=["kind"]),
        description="none, static, dynamic or dynamic(99.5)",
    )
    augmentation_snr: dict[str, float | None] | None = Field(
        default=None,
        json_schema_extra=axis_schema.setting(*axis_schema.AUGMENTATION, by_stage=[axis_schema.NULL]),
        description="SNR of the conditioning video, above 0; none: not augmented",
    )
    negative_prompt: dict[str, str] | None = Field(
        default=None,
        json_schema_extra=axis_schema.setting(axis_schema.TEXT),
        description="of a generator: the text that takes the empty prompt's place in guidance",
    )
    options: dict[str, Scalar] | None = Field(
        default=None, description="of a generator: settings under names of its own, such as {eta: 0.5}"
    )

    @field_validator("guidance", mode="before")
    @classmethod
    def _guidance(cls, value: Any) -> Any:
        is_one = not isinstance(value, dict) or bool({"constant", "oscillate"} & set(value))
        return _by_stage(value, read_guidance, is_one)

    @field_validator("thresholding", mode="before")
    @classmethod
    def _thresholding(cls, value: Any) -> Any:
        return _by_stage(value, read_thresholding, not isinstance(value, dict) or "kind" in value)

    @field_validator("augmentation_snr", mode="before")
    @classmethod
    def _augmentation(cls, value: Any) -> Any:
        return _by_stage(value, read_augmentation, not isinstance(value, dict))

    @field_validator("weights", "sampler", "steps", "gamma", "negative_prompt", mode="before")
    @classmethod
    def _plain(cls, value: Any) -> Any:
        return _by_stage(value, lambda item: item, not isinstance(value, dict))

    @model_validator(mode="after")
    def _check(self) -> Self:
        for stage, steps in (self.steps or {}).items():
            if steps < 1:
                raise ValueError(f"steps.{stage}: got {steps}, allowed is 1 or more")
        for stage, gamma in (self.gamma or {}).items():
            if not 0 <= gamma <= 1:
                raise ValueError(f"gamma.{stage}: got {gamma:g}, allowed is 0 to 1")
        for stage, snr in (self.augmentation_snr or {}).items():
            if snr is not None and snr <= 0:
                raise ValueError(f"augmentation_snr.{stage}: got {snr:g}, allowed is a number above 0, or none")
        return self


def _by_stage(value: Any, read: Any, is_one: bool) -> Any:
    if value is None:
        return None
    if is_one:
        return {DEFAULT: read(value)}
    return {stage: read(item) for stage, item in value.items()}


def read_guidance(value: Any) -> Any:
    """A guidance as people write it, as data for `GuidanceConfig`: 6, "constant=6", "oscillate(15,1)", a mapping."""
    if isinstance(value, str):
        name, numbers = _call(value)
        if name in ("constant", "w") and len(numbers) == 1:
            return {"constant": numbers[0]}
        if name == "oscillate" and len(numbers) == 2:
            return {"oscillate": {"high": numbers[0], "low": numbers[1]}}
        raise ValueError(f'got "{value}", allowed are a weight w, constant=6, oscillate(15,1)')
    if isinstance(value, int | float) and not isinstance(value, bool):
        return {"constant": value}
    return value


def read_thresholding(value: Any) -> Any:
    """A thresholding as people write it, as data for `Thresholding`: none, static, dynamic, dynamic(99.5)."""
    if not isinstance(value, str):
        return value
    if value in ("none", "static"):
        return {"kind": value}
    if value == "dynamic":
        return {"kind": "dynamic", "percentile": 99.5}
    name, numbers = _call(value)
    if name == "dynamic" and len(numbers) == 1:
        return {"kind": "dynamic", "percentile": numbers[0]}
    raise ValueError(f'got "{value}", allowed are none, static, dynamic, dynamic(99.5)')


def read_augmentation(value: Any) -> Any:
    """An augmentation SNR as people write it: a number above 0, or `none`, which is held as None."""
    return None if value == "none" else value


def _call(text: str) -> tuple[str, list[float]]:
    """`name(1, 2)` or `name=1` as a name and its numbers."""
    match = _CALL.fullmatch(text)
    if not match:
        return text, []
    try:
        return match[1], [float(part) for part in match[2].split(",")]
    except ValueError:
        return match[1], []
