"""The networks of a run, each loaded when it is first needed: a run that finds everything in the store loads none."""

from __future__ import annotations

from functools import cache, cached_property
from pathlib import Path

from ivbench.adapters import Cascade, Generator, generator_source, loaded, open_cascade, open_door
from ivbench.cascade import StageModel
from ivbench.config.settings import ORIGINAL
from ivbench.errors import ConfigError, DigestError
from ivbench.extractors import Extractor, load_extractor
from ivbench.extractors.named import made_extractor
from ivbench.plan import Plan, Source, cascade_source, extractor_digests, sized, torch_device
from ivbench.registry import is_foreign
from ivbench.zoo import Card, find_card, read_card

__all__ = ["Models"]

_WITHOUT_CARD = ("block-motion", "geometric-judge")


class Models:
    """Cascade or generator, and extractors by name.

    Args:
        source: the cascade's card; or the name that a generator is opened by.
        device: where networks run.
        zoo: where extractors and text encoders are looked up; None: `ivbench.zoo.find_zoo()`.
        backend: torch or jax: what runs the cascade's stages; extractors and text encoders run in PyTorch.
        dtype: what the cascade's stages compute in.
    """

    def __init__(
        self,
        source: Card | str,
        device: str = "cpu",
        zoo: Path | None = None,
        backend: str = "torch",
        dtype: str = "float32",
    ) -> None:
        self.source, self.device, self.zoo, self.backend, self.dtype = source, device, zoo, backend, dtype
        self.extractor = cache(self._extractor)
        self._variant = cache(self._open_variant)

    @property
    def card(self) -> Card:
        """The cascade's card.

        Raises:
            ConfigError: the source is a generator.
        """
        if isinstance(self.source, str):
            raise ConfigError(f"{self.source} is a generator, a cascade is needed. See: ivbench zoo list")
        return self.source

    @cached_property
    def cascade(self) -> Cascade:
        """The cascade, opened through its adapter."""
        return open_cascade(self.card, self.device, self.zoo, self.backend, self.dtype)

    @cached_property
    def generator(self) -> Generator:
        """The generator, opened through its door."""
        found = None if isinstance(self.source, Card) else open_door(self.source, self.device, self.dtype)
        if found is None or isinstance(found, Card):
            raise ConfigError(f"{self.card.name} is a cascade, a generator is needed.")
        return found

    @cached_property
    def loaded_generator(self) -> Generator:
        """The generator with its networks, loaded on first use."""
        return loaded(self.generator)

    def stage_model(self, weights: str, stage: str) -> StageModel:
        """A stage's network: the cascade's own, or that of another cascade that stands in.

        Args:
            weights: `original`, or the other cascade's name or folder.
            stage: the stage's name.
        """
        cascade = self.cascade if weights == ORIGINAL else self._variant(weights)
        return cascade.stage_model(stage)

    def __reduce__(self) -> tuple[type[Models], tuple[Card | str, str, Path | None, str, str]]:
        """Networks stay where they are: another process gets the names and loads its own."""
        return type(self), (self.source, self.device, self.zoo, self.backend, self.dtype)

    def require(self, plan: Plan) -> None:
        """Refuse a machine whose zoo holds other files than those that a plan's ids stand for.

        Raises:
            DigestError: a cascade, its text encoder or an extractor differs; says which.
            MissingFileError: a folder is not there.
        """
        sources: dict[str, tuple[Source, Source]] = {plan.source.spec.name: (plan.source, self._source(plan))}
        for name, planned in plan.variants.items():
            sources[name] = planned, cascade_source(read_card(name, self.zoo), self.zoo)
        here = {name: (planned.digest, found.digest) for name, (planned, found) in sources.items()}
        for name, digest in extractor_digests(plan.suite.metrics, self.zoo).items():
            here[name] = plan.extractors[name], digest
        different = [name for name, (planned, found) in here.items() if planned != found]
        if different:
            raise DigestError(f'"{different[0]}" is not the one of the plan. Install the same zoo on every node.')

    def _source(self, plan: Plan) -> Source:
        """What a plan's source is on this machine."""
        if isinstance(self.source, Card):
            return cascade_source(self.source, self.zoo)
        return sized(generator_source(self.generator, self.source), plan.suite)

    def _open_variant(self, name: str) -> Cascade:
        return open_cascade(read_card(name, self.zoo), self.device, self.zoo, self.backend, self.dtype)

    def _extractor(self, name: str) -> Extractor:
        """By its card in the zoo; one that needs no card by its registered name, or as python:module:object."""
        if name in _WITHOUT_CARD or (find_card(name, self.zoo) is None and is_foreign("extractor", name)):
            return made_extractor(name)
        from ivbench.backends.torch_backend import available_device

        device = torch_device(self.device)
        available_device(device)
        return load_extractor(read_card(name, self.zoo).folder, device)
