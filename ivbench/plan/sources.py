"""What a plan is made for: a cascade with its digests, extractors with theirs, and where it will run. No framework."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from pydantic import Field

from ivbench import registry
from ivbench.config import Frozen, MetricConfig, Settings, digest
from ivbench.data.motion import MOTION_IDENTITY
from ivbench.data.shapes.judge import JUDGE_IDENTITY
from ivbench.errors import ConfigError, DigestError
from ivbench.spec import CascadeSpec, GeneratorSpec
from ivbench.zoo import Card, card_folders, find_card, folder_digest, read_card

__all__ = [
    "CascadeSource",
    "Execution",
    "GeneratorSource",
    "Source",
    "cascade_source",
    "extractor_digests",
    "torch_device",
]


_BUILT_IN = {str(identity["name"]): identity for identity in (JUDGE_IDENTITY, MOTION_IDENTITY)}
"""Extractors without a card whose answers have a version."""

_IDENTITY = ("name", "digest", "preprocess")

_JAX_ALONE = ("gpu", "rocm", "tpu")


class Execution(Frozen):
    """Where tasks run; equal bits are promised for equal executions only, so it's part of every id."""

    backend: str = Field(default="torch", description="torch, jax or numpy")
    device: str = Field(default="cpu", description="the type of device: cpu, cuda, mps, tpu")
    dtype: str = Field(default="float32", description="of the networks")

    @property
    def frozen_networks(self) -> Execution:
        """Where text encoders and extractors run: always in PyTorch and float32, on a CPU where it lacks the device.

        So one set of text embeddings serves all backends.
        """
        return Execution(device=torch_device(self.device))


def torch_device(device: str) -> str:
    """The device of that name in PyTorch, or the CPU where only JAX has it."""
    return "cpu" if device.partition(":")[0] in _JAX_ALONE else device


class CascadeSource(Frozen):
    """A cascade with everything that decides its samples."""

    spec: CascadeSpec
    weights: dict[str, str] = Field(description="stage -> sha256 of its weights file; a stage without can't be sampled")
    text_encoder: str = Field(description="the text encoder's digest")
    adapter: str = "native"
    description: str = ""
    sampling: Settings = Field(default=Settings(), description="the card's own settings; a suite's override them")

    seconds_per_evaluation: dict[str, float] = Field(
        default_factory=dict, description="stage -> seconds of one video and network evaluation, as the card says"
    )
    training_step: int | None = Field(default=None, description="of a snapshot: after how many updates")
    partial: str = Field(default="", description="which stages were loaded in part, in words; empty: none")

    @property
    def digest(self) -> str:
        """The sha256 over stages, weights, text encoder and adapter."""
        return digest(
            {
                "spec": self.spec.model_dump(mode="json"),
                "weights": self.weights,
                "text_encoder": self.text_encoder,
                "adapter": self.adapter,
            }
        )


class GeneratorSource(Frozen):
    """A generator with everything that decides its samples."""

    spec: GeneratorSpec
    adapter: str = Field(description="the door that it came through: python:module:object, diffusers, ...")
    version: str = Field(description="of its code, as its author declares it")
    weights_digest: str = Field(description="sha256 over its weights, as its adapter finds it")
    description: str = ""
    files: dict[str, tuple[str, ...]] = Field(
        default_factory=dict,
        description="of given videos: prompt -> sha256 of each file; empty: it is not there",
    )

    @property
    def weights(self) -> dict[str, str]:
        """Its one stage -> the digest of its weights."""
        return {self.spec.name: self.weights_digest}

    @property
    def partial(self) -> str:
        """Empty: what it loads is its own affair."""
        return ""

    @property
    def digest(self) -> str:
        """The sha256 over adapter, version, weights and the size of its videos; not over its name."""
        return digest({**self._code, "weights": self.weights_digest})

    def identity(self, prompts: Sequence[str], sample: int) -> str:
        """The sha256 over what decides one block: the weights, or of given videos the block's own files.

        Args:
            prompts: of the block.
            sample: which video of each, over all runs.
        """
        if self.spec.kind != "videos":
            return self.digest
        files = (self.files.get(prompt, ()) for prompt in prompts)
        # A file that equals an earlier one of its prompt is not scored.
        found = [[each[sample], each.index(each[sample]) == sample] if sample < len(each) else [] for each in files]
        return digest({**self._code, "files": found})

    @property
    def _code(self) -> dict[str, Any]:
        spec = self.spec.model_dump(mode="json", include={"kind", "frames", "height", "width", "fps", "batch"})
        return {"spec": spec, "adapter": self.adapter, "version": self.version}


Source = CascadeSource | GeneratorSource


def cascade_source(card: Card, zoo: Path | None = None) -> CascadeSource:
    """The source that a cascade's card describes.

    Args:
        card: of a cascade; without weights it can be planned (and counted), not sampled.
        zoo: where its text encoder is looked up; None: `find_zoo()`.

    Raises:
        ConfigError: not a cascade's card, no adapter has the name that it says, or the text encoders of card and
            cascade.yaml differ.
        MissingFileError: there's no cascade.yaml.
        DigestError: cascade.yaml isn't what the card says.
    """
    spec = card.cascade()
    registry.target("adapter", card.config.adapter)
    named = card.config.text_encoder
    if named is not None and named != spec.text.encoder:
        raise ConfigError(
            f'{card.folder}: text_encoder is "{named}" in card.yaml and "{spec.text.encoder}" in cascade.yaml. '
            "Make them equal."
        )
    return CascadeSource(
        spec=spec,
        weights={stage: card.config.files[name].sha256 for stage, name in card.config.weights.items()},
        text_encoder=_encoder_digest(spec.text.encoder, card, zoo),
        adapter=card.config.adapter,
        description=card.config.description,
        sampling=card.config.sampling,
        seconds_per_evaluation=card.config.seconds_per_evaluation,
        training_step=card.config.training_step,
        partial=card.partial,
    )


def _encoder_digest(encoder: str, card: Card, zoo: Path | None) -> str:
    found = find_card(encoder, zoo)
    folder = Path(encoder)
    if found is None and folder.is_dir():
        return read_card(folder).digest if (folder / "card.yaml").is_file() else folder_digest(folder)
    if found is None:
        return digest({"name": encoder, "cards": "none"})
    if found.config.kind != "text-encoder":
        raise DigestError(f'{card.folder}: the text encoder "{encoder}" is a {found.config.kind}. Name a text encoder.')
    return found.digest


def extractor_digests(metrics: Iterable[MetricConfig], zoo: Path | None = None) -> dict[str, str]:
    """The digest of each extractor that metrics stand on: its card's, or one of its name where it has no card.

    Args:
        metrics: of a suite.
        zoo: where cards are looked up; None: `find_zoo()`.

    Raises:
        ConfigError: neither a card nor a registered extractor has that name, or another package's cannot be imported.
    """
    names = sorted({metric.extractor for metric in metrics})
    cards = {name: find_card(name, zoo) for name in names}
    return {name: digest(_cardless(name, zoo)) if card is None else card.digest for name, card in cards.items()}


def _probes(zoo: Path | None) -> Iterator[str]:
    """Names of the zoo's probes; nothing is read before the first is asked for."""
    yield from (folder.name for folder in card_folders(zoo) if folder.parent.name == "probes")


def _cardless(name: str, zoo: Path | None) -> dict[str, Any]:
    """What an extractor without a card is known by; another package's says it of itself."""
    if name in _BUILT_IN:
        return dict(_BUILT_IN[name])
    if not registry.is_foreign("extractor", name):
        registry.target("extractor", name, _probes(zoo))
        return {"name": name, "cards": "none"}
    made = registry.made("extractor", name)
    lacking = [field for field in _IDENTITY if not hasattr(made, field)]
    if lacking:
        raise ConfigError(f'"{name}" is no extractor: it lacks {", ".join(lacking)}. See ivbench.extractors.Extractor.')
    return {field: getattr(made, field) for field in _IDENTITY}
