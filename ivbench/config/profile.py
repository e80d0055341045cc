"""Profiles: named, versioned presets of the choices that a metric leaves open; each a YAML file of `profiles/`.

A profile is data over a small set of shared pieces: none has code of its own.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from pathlib import PurePath
from typing import Annotated, Any, Literal

from pydantic import Field

from ivbench.config.parse import Frozen, parse
from ivbench.config.yaml import load_yaml
from ivbench.errors import ConfigError, did_you_mean

__all__ = [
    "ClipChoice",
    "ClipScoreChoice",
    "ImageText",
    "Network",
    "Order",
    "PackageFiles",
    "Profile",
    "ResizeStep",
    "Scale",
    "Subsets",
    "profile",
    "profile_names",
]

_TOLD = ("summary", "source", "verified", "package_files")
"""What is said of a profile and decides no number."""
Size = Annotated[int, Field(ge=1)]
Kernel = Literal[
    "torch-bilinear",
    "torch-bilinear-antialias",
    "torch-bicubic",
    "torch-bicubic-antialias",
    "torch-bicubic-bytes",
    "tf1-bilinear",
    "pil-bicubic-float",
    "pil-bicubic",
]
Scale = Literal["none", "tf", "symmetric", "imagenet"]
Order = Literal["natural", "text"]


class ResizeStep(Frozen):
    """One resize on the way to a network."""

    kernel: Kernel
    size: Size = Field(description="height and width that come out; of the fit shorter: the shorter of them")
    fit: Literal["squash", "crop", "crop-floor", "crop-ceil", "shorter"] = Field(
        default="squash",
        description="squash: both sides; crop: the shorter side, then a centre crop, the longer side rounded down, the "
        "crop's place to the nearest (crop: torchvision) or down (crop-floor: transformers); crop-ceil: the longer "
        "side rounded up, the place down (cd-fvd); shorter: the shorter side, the longer one rounded down, no crop",
    )
    unit: bool = Field(default=False, description="pixels are computed with in [0, 1], not in [0, 255]")
    quantise: Literal["none", "truncate", "round"] = Field(
        default="none",
        description="to whole levels of [0, 255]; truncate: downwards, as .byte() does; round: clipped first",
    )


class Network(Frozen):
    """A network and what it sees."""

    name: str = Field(description="of the weights' manifest: inception, i3d, ...")
    tap: str = Field(description="which of its outputs are the features")
    resize: tuple[ResizeStep, ...] = Field(default=(), description="in order; none: the network resizes")
    scale: Scale = Field(
        description="none: as they are, [0, 255]; tf: (x - 128) / 128; symmetric: 2 x / 255 - 1; imagenet: x / 255, "
        "less ImageNet's mean, over its deviation"
    )


class ImageText(Frozen):
    """A CLIP model of open_clip, and what it is given."""

    model: str = Field(description="open_clip's name of the architecture: ViT-B-32-quickgelu")
    pretrained: str = Field(description="open_clip's tag of the weights: openai")
    resize: tuple[ResizeStep, ...] = Field(default=(), description="in order; none: as the model's own file says")
    clamp: bool = Field(
        default=True,
        exclude_if=lambda value: value,  # so that ids from before it existed stand
        description="whether what a resize overshoots is set to 0 and 255, before mean and std",
    )
    prefix: str = Field(default="", description="stands before every caption")
    long_text: Literal["keep-end", "cut"] = Field(
        default="keep-end",
        description="a text that is longer than the model reads loses words; its end token stays (keep-end) or goes "
        "too (cut): the model then answers with what it knows after the start token alone",
    )
    text: Literal["repaired", "plain"] = Field(
        default="repaired",
        exclude_if=lambda value: value == "repaired",  # so that ids from before it existed stand
        description="before it is cut into tokens; repaired: broken encodings, HTML entities, curly quotes, ligatures "
        "and full-width letters become plain ones (ftfy), as in OpenAI's and open_clip's tokenizers; plain: only white "
        "space and case (transformers)",
    )


class ClipScoreChoice(Frozen):
    """How cosines become a CLIP score."""

    weight: float = Field(default=100.0, gt=0, description="times the cosine")
    clamp: Literal["none", "frame", "mean"] = Field(
        default="none", description="what below 0 counts as 0: nothing, a frame's cosine, the mean over all"
    )


class ClipChoice(Frozen):
    """Which frames of a video are the clip that is scored."""

    frames: Size = Field(description="frames of a clip; shorter videos are left out, and counted")
    every: Size = Field(default=1, description="every n-th frame")
    shortest: Size | None = Field(
        default=None, description="frames that a video must have; None: as many as the clip spans"
    )
    videos: Size | None = Field(
        default=None, description="the first so many videos of each side that are long enough; None: all"
    )
    reference_start: Literal["first", "random"] = Field(
        default="first", description="of reference videos; random: a place drawn from the video's own digest and a seed"
    )


class Subsets(Frozen):
    """The random subsets that KID is averaged over."""

    number: Size
    size: Annotated[int, Field(ge=2)] = Field(description="rows of each side in a subset")
    seed: int = Field(ge=0, description="of numpy's RandomState")


class PackageFiles(Frozen):
    """Which files of a folder the package itself takes. Here all are; where the package's are fewer, it is said."""

    suffixes: tuple[str, ...] = Field(description="without the point")
    any_case: bool = Field(default=False, description="whether .PNG is taken where png is")
    below: bool = Field(default=False, description="whether files of subfolders are taken")

    def take(self, path: PurePath) -> bool:
        """Whether the package takes a file, by its path in the folder."""
        suffix = path.suffix[1:].lower() if self.any_case else path.suffix[1:]
        return suffix in self.suffixes and (self.below or len(path.parts) == 1)


class Profile(Frozen):
    """A named, versioned preset of choices; a changed choice is a new version."""

    name: str = Field(description="as in suites: ivbench")
    version: int = Field(ge=1, description="raised whenever numbers move")
    summary: str = ""
    source: str = Field(default="", description="what it follows: package and version, or paper")
    verified: str = Field(default="", description="what it was tested against; empty: unverified")
    package_files: PackageFiles | None = Field(default=None, description="to be told from ours; no choice of a number")
    ddof: Literal[0, 1] = Field(default=1, description="of a Frechet metric's covariances")
    ridge: float = Field(
        default=0.0,
        ge=0,
        exclude_if=lambda value: not value,  # so that ids from before it existed stand
        description="added to the diagonal of both covariances of a Frechet metric, always",
    )
    order: Order = Field(
        default="natural",
        exclude_if=lambda value: value == "natural",  # so that ids from before it existed stand
        description="of files, and of the frames in a folder; natural: 2.png before 10.png; text: 10.png before 2.png, "
        "as packages that sort names: it decides KID's subsets, which videos are the first, and what a clip shows",
    )
    candidates: int = Field(
        default=100, ge=2, description="of R-Precision: the true caption and this number less one of others"
    )
    replacement: bool = Field(
        default=False,
        exclude_if=lambda value: not value,  # so that ids from before it existed stand
        description="whether R-Precision's distractors are drawn with replacement, each by itself",
    )
    mean: Literal["prompts", "items"] = Field(
        default="prompts",
        exclude_if=lambda value: value == "prompts",  # so that ids from before it existed stand
        description="what counts alike in a mean over videos: prompts; or what each metric is a mean of: every frame, "
        "or pair of frames, or video, however many a prompt has",
    )
    frames: Network | None = Field(default=None, description="network of frame metrics")
    clips: Network | None = Field(default=None, description="network of clip metrics")
    image_text: ImageText | None = Field(default=None, description="model of metrics on frames and captions")
    clip_score: ClipScoreChoice | None = Field(default=None, description="None: 100 cosine, below 0 too")
    clip: ClipChoice | None = Field(default=None, description="None: all frames of a video")
    kid: Subsets | None = Field(default=None, description="None: the complete estimate, from all pairs")

    def payload(self) -> dict[str, Any]:
        """Every choice that can change a number, as plain data: for ids of tasks and for protocols."""
        return self.model_dump(mode="json", exclude_none=True, exclude=set(_TOLD))

    @property
    def prefix(self) -> str:
        """What stands before every caption."""
        return "" if self.image_text is None else self.image_text.prefix

    def network(self, kind: str) -> Network:
        """The network for metrics of a kind: frames or clips.

        Raises:
            ConfigError: this profile has none.
        """
        found = {"frames": self.frames, "clips": self.clips}.get(kind)
        if found is None:
            raise ConfigError(f'profile "{self.name}" says nothing of metrics on {kind}. Name another profile.')
        return found


@cache
def profile_names() -> tuple[str, ...]:
    """The profiles that come with ivbench, sorted."""
    return tuple(sorted(path.name[:-5] for path in _folder().iterdir() if path.name.endswith(".yaml")))


def profile(name: str | None) -> Profile:
    """The profile of a name; None: ivbench's own.

    Raises:
        ConfigError: no such profile; says the nearest one.
    """
    wanted = "ivbench" if name is None else name
    if wanted not in profile_names():
        raise ConfigError(f'no profile is called "{name}".{did_you_mean(wanted, profile_names())}')
    return _read(wanted)


@cache
def _read(name: str) -> Profile:
    file = _folder().joinpath(f"{name}.yaml")
    return parse(Profile, load_yaml(file.read_text(encoding="utf-8"), str(file)), str(file))


def _folder() -> Any:
    return files("ivbench.config").joinpath("profiles")
