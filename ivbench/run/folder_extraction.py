"""Extractors of a profile, and the features that they give of folders: what scores and statistics files are made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ivbench import registry
from ivbench.config import ClipChoice, Order, Profile, digest
from ivbench.data.video_files import other_kinds
from ivbench.errors import ConfigError, ShapeError
from ivbench.extractors import Extractor, find_weights
from ivbench.extractors.block_motion import BlockMotion
from ivbench.extractors.clip_weights import load_clip
from ivbench.extractors.named import named_extractor
from ivbench.metrics import FeatureSource
from ivbench.metrics.base import ExtractorKind
from ivbench.results.store import Store
from ivbench.run.folder_features import FolderFeatures, extract_folder
from ivbench.run.folder_items import Item, fewest_frames, find_items
from ivbench.run.memory_budget import MemoryBudget
from ivbench.run.progress import Reporter

__all__ = ["Choices", "Extraction", "clip_in_words"]


@dataclass(frozen=True)
class Choices:
    """What decides the features of a folder.

    Attributes:
        profile: the preset.
        weights: network -> file; the others are looked for.
        extractor: in place of the profile's networks; see `ivbench.extractors.named.named_extractor`.
        device: where networks run.
        memory: for decoding and the networks' passes.
        download: whether weights that are not on this machine are fetched; else they are missing.
    """

    profile: Profile
    weights: Mapping[str, Path] = field(default_factory=dict)
    extractor: str | None = None
    device: str = "cpu"
    memory: MemoryBudget = field(default_factory=MemoryBudget)
    download: bool = True


class Extraction:
    """Extractors, loaded once each, and features of folders, computed once each.

    Args:
        choices: which extractors.
        store: where features are kept.
        reporter: told of progress, and of files that are left out.
        find: gives the videos of a folder in an order.
    """

    def __init__(
        self,
        choices: Choices,
        store: Store,
        reporter: Reporter,
        find: Callable[[Path, Order], list[Item]] = find_items,
    ) -> None:
        _require_device(choices.device)
        self.profile = choices.profile
        self.store = store
        self._choices, self._reporter, self._find = choices, reporter, find
        self._extractors: dict[ExtractorKind, Extractor] = {}
        self._items: dict[Path, list[Item]] = {}
        self._features: dict[tuple[ExtractorKind, Path, bool], FolderFeatures] = {}

    @property
    def computed(self) -> int:
        """Groups of features that the store did not have."""
        return sum(found.computed for found in self._features.values())

    def find(self, folder: Path) -> None:
        """Look at a folder's files, so that a wrong name is said before anything is loaded.

        Raises:
            MissingFileError: no such folder, or nothing in it.
        """
        if folder not in self._items:
            self._items[folder] = self._find(folder, self.profile.order)
            for kind, count in other_kinds(folder).items():
                self._reporter.say(f"passed over: {count} {kind} of {folder}, which are not read. Convert them.")

    def extractor(self, kind: ExtractorKind) -> Extractor:
        """The extractor for metrics of a kind.

        Raises:
            ConfigError: the profile says nothing of that kind, or the card's extractor is of another.
            MissingFileError: the weights are not there.
        """
        if kind not in self._extractors:
            self._extractors[kind] = self._load(kind)
            self._choices.memory.limit(self._extractors[kind])
        return self._extractors[kind]

    def source(self, kind: ExtractorKind) -> FeatureSource:
        """The extractor of a kind as protocols know it."""
        found = self.extractor(kind)
        return FeatureSource(found.name, found.digest, found.preprocess, getattr(found, "published", False))

    def clip(self, kind: ExtractorKind) -> ClipChoice | None:
        """The clip that metrics of a kind score; None: all frames."""
        return self.profile.clip if kind in ("clips", "motion") else None

    def features(self, kind: ExtractorKind, folder: Path, is_reference: bool) -> FolderFeatures:
        """Features of a folder.

        Raises:
            ShapeError: no video of it is left.
            IvbenchError: as `find` and `extractor`.
        """
        random = is_reference and self.profile.clip is not None and self.profile.clip.reference_start == "random"
        key = kind, folder, random and self.clip(kind) is not None
        if key not in self._features:
            self.find(folder)
            name = f"{folder.name or folder}, {kind}"
            found = extract_folder(
                self._items[folder],
                self.extractor(kind),
                self.clip(kind),
                key[2],
                self.store,
                self._reporter,
                name,
                self._choices.memory,
            )
            for why in found.failed.values():
                self._reporter.say(f"left out: {why}")
            if not found.items:
                fewest = getattr(self.extractor(kind), "fewest_frames", 1)
                raise ShapeError(_none_left(folder, found, self.clip(kind), fewest))
            self._features[key] = found
        return self._features[key]

    def set_digest(self, kind: ExtractorKind, found: FolderFeatures) -> str:
        """Of a reference set: over its contents and, where it decides, where its clips start."""
        clip = self.clip(kind)
        return digest([found.digest, None if clip is None else clip.model_dump(mode="json", exclude_none=True)])

    def _load(self, kind: ExtractorKind) -> Extractor:
        if kind == "motion":
            return BlockMotion()
        if self._choices.extractor is not None:
            found = named_extractor(self._choices.extractor, self._choices.device)
            if found.kind != kind and not (kind == "frames" and found.kind == "image_text"):
                raise ConfigError(f'extractor "{found.name}" is of the kind {found.kind}, {kind} is needed.')
            return found
        if kind == "image_text":
            return self._clip()
        choice = self.profile.network(kind)
        weights = find_weights(choice.name, self._choices.weights, fetch=self._fetch)
        made: Extractor = registry.load("network", choice.name)(weights, choice, self._choices.device)
        return made

    def _clip(self) -> Extractor:
        choice = self.profile.image_text
        if choice is None:
            raise ConfigError(
                f'profile "{self.profile.name}" names no CLIP model. Name another profile, or an extractor of the zoo.'
            )
        return load_clip(choice, self._choices.weights.get("clip"), self._choices.device, fetch=self._fetch)

    @property
    def _fetch(self) -> Callable[[str], None] | None:
        return self._reporter.say if self._choices.download else None


def _require_device(name: str) -> None:
    if name != "cpu":
        from ivbench.backends.torch_backend import available_device

        available_device(name)


def clip_in_words(choice: ClipChoice | None) -> str:
    """Which frames are scored, as protocols say it."""
    if choice is None:
        return "whole video"
    every = "" if choice.every == 1 else f", every {choice.every}th"
    start = "" if choice.reference_start == "first" else "; of reference videos from a random place"
    long = "" if choice.shortest is None else f"; of videos of {choice.shortest} frames or more"
    first = "" if choice.videos is None else f"; of the first {choice.videos} videos"
    return f"first {choice.frames} frames{every}{start}{long}{first}"


def _none_left(folder: Path, found: FolderFeatures, choice: ClipChoice | None, fewest: int) -> str:
    """Why no video is left; `fewest`: frames that the extractor needs."""
    if found.too_short:
        needed = fewest if choice is None else max(fewest, fewest_frames(choice))
        return (
            f"no video of {folder} has the {needed} frames of a clip: "
            f"{len(found.too_short)} are too short, {len(found.failed)} could not be read. Name another profile."
        )
    return f"no file of {folder} could be read; the first: {next(iter(found.failed.values()))}"
