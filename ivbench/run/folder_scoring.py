"""Scores of a folder of videos against a folder of reference videos, under a named profile."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from ivbench import registry
from ivbench.config import ClipChoice, Profile, digest, profile
from ivbench.errors import ConfigError, ShapeError
from ivbench.extractors import Extractor, find_weights, load_extractor
from ivbench.metrics import Batch, Conditions, FeatureSource, FrechetMetric, GaussianStatistics, Metric, Reference
from ivbench.metrics.base import ExtractorKind
from ivbench.metrics.kid import KID
from ivbench.plan import Execution
from ivbench.results.files import write_csv, write_results
from ivbench.results.schema import CascadeInfo, Cell, Results, Score, SuiteInfo
from ivbench.results.store import Store
from ivbench.run.environment import describe_environment
from ivbench.run.folder_features import FolderFeatures, blocks, extract_folder
from ivbench.run.folder_items import find_items
from ivbench.run.pipeline import RESULTS, TABLE, Outcome, require_folder
from ivbench.run.progress import Reporter
from ivbench.zoo import read_card

__all__ = ["FolderRequest", "score_folders"]

_SEEDS = (0,)
_OF_FOLDERS = (FrechetMetric, KID)


@dataclass(frozen=True)
class FolderRequest:
    """What to score, and how.

    Attributes:
        generated, reference: folders of videos or images.
        metrics: registry names.
        profile: name of the preset.
        weights: network -> file; the others are looked for.
        extractor: a card's name, in place of the profile's networks.
        device: where networks run.
    """

    generated: Path
    reference: Path
    metrics: tuple[str, ...]
    profile: str
    weights: Mapping[str, Path] = field(default_factory=dict)
    extractor: str | None = None
    device: str = "cpu"


def score_folders(request: FolderRequest, store: Store, reporter: Reporter, out: Path, command: str) -> Outcome:
    """Score a folder and write results.json and results.csv.

    Args:
        request: what to score.
        store: where features are kept.
        reporter: told of progress.
        out: folder of the results.
        command: recorded as what made them.

    Raises:
        ConfigError: a metric that needs captions, a profile that says nothing of a metric, an unknown name.
        MissingFileError: a folder is empty, or weights are not there.
        ShapeError: too few videos are left.
        StoreError: `out` or the store cannot be written.
    """
    scoring = _Scoring(request, store, reporter)
    require_folder(out)
    scores = [scoring.score(name) for name in request.metrics]
    results = scoring.results(scores, command)
    write_results(results, out / RESULTS)
    write_csv(results, out / TABLE)
    return Outcome(results, out / RESULTS, scoring.computed, {})


class _Scoring:
    """Folders, extractors and features of one request; what can be wrong is looked at when it is made."""

    def __init__(self, request: FolderRequest, store: Store, reporter: Reporter) -> None:
        self._request, self._store, self._reporter = request, store, reporter
        self._profile: Profile = profile(request.profile)
        self._metrics = {name: _metric(name) for name in request.metrics}
        self._items = {
            "reference": find_items(request.reference),
            "generated": find_items(request.generated),
        }
        kinds = dict.fromkeys(metric.kind for metric in self._metrics.values())
        self._extractors = {kind: self._extractor(kind) for kind in kinds}
        self._features: dict[tuple[str, str], FolderFeatures] = {}

    @property
    def computed(self) -> int:
        """Groups of features that the store did not have."""
        return sum(found.computed for found in self._features.values())

    def score(self, name: str) -> Score:
        """The record of one metric."""
        metric = self._metrics[name]
        reference, generated = (self._found(metric.kind, side) for side in ("reference", "generated"))
        compared = replace(
            self._conditions(metric.kind, generated), reference=self._reference(metric, reference)
        )
        evidence = metric.gather(_batches(generated, metric.kind), compared)
        failed = len(generated.failed) + len(generated.too_short)
        score = metric.score(evidence, compared, _SEEDS, failed=failed)
        return score.model_copy(update={"notes": [*score.notes, *_counts(reference, generated)]})

    def results(self, scores: Sequence[Score], command: str) -> Results:
        """The whole record."""
        generated = next(found for (_, side), found in self._features.items() if side == "generated")
        name = self._request.generated.resolve().name or "videos"
        cell = Cell(
            id=digest([generated.digest, self._profile.payload()])[:16],
            label=name,
            settings={},
            guidance_w=None,
            scale_g=None,
            costs=[],
            scores=list(scores),
            gallery=[],
        )
        description = f"{len(generated.items)} videos against {self._request.reference.name}"
        suite = f"{self._profile.name}@{self._profile.version}"
        return Results(
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            command=command,
            suite=SuiteInfo(
                name=suite, digest=digest(self._profile.payload()), prompts=[], runs=1, seeds=list(_SEEDS)
            ),
            cascade=CascadeInfo(name=name, digest=generated.digest, description=description, stages=[]),
            environments=[describe_environment(Execution(device=self._request.device.partition(":")[0]))],
            cells=[cell],
            ground_truth=[],
            disclosures=_disclosures(self._profile),
        )

    def _extractor(self, kind: ExtractorKind) -> Extractor:
        if self._request.extractor is not None:
            found = load_extractor(read_card(self._request.extractor).folder, self._request.device)
            if found.kind != kind and not (kind == "frames" and found.kind == "image_text"):
                raise ConfigError(f'extractor "{found.name}" is of the kind {found.kind}, {kind} is needed.')
            return found
        choice = self._profile.network(kind)
        weights = find_weights(choice.name, self._request.weights)
        made: Extractor = registry.load("network", choice.name)(weights, choice, self._request.device)
        return made

    def _found(self, kind: ExtractorKind, side: str) -> FolderFeatures:
        if (kind, side) not in self._features:
            found = extract_folder(
                self._items[side],
                self._extractors[kind],
                self._profile.clip if kind == "clips" else None,
                side == "reference",
                self._store,
                self._reporter,
                f"{side}, {kind}",
            )
            self._features[kind, side] = found
            for why in found.failed.values():
                self._reporter.say(f"left out: {why}")
            if not found.items:
                raise ShapeError(_none_left(side, found, self._profile.clip))
        return self._features[kind, side]

    def _conditions(self, kind: ExtractorKind, generated: FolderFeatures) -> Conditions:
        extractor = self._extractors[kind]
        return Conditions(
            source=FeatureSource(
                extractor.name, extractor.digest, extractor.preprocess, getattr(extractor, "published", False)
            ),
            profile=self._profile,
            frames=generated.common("frames"),
            fps=generated.common("fps"),
            height=generated.common("height"),
            width=generated.common("width"),
            prompts="none",
            num_prompts=len(generated.items),
            clip=_in_words(self._profile.clip) if kind == "clips" else "whole video",
        )

    def _reference(self, metric: Metric[Any], found: FolderFeatures) -> Reference:
        parts = [part for _, part in blocks(found, metric.kind)]
        dim, rows = parts[0].shape[-1], None
        statistics = GaussianStatistics.empty(dim)
        if isinstance(metric, FrechetMetric):
            statistics = metric.reference(parts)
        else:
            rows = np.concatenate([part.reshape(-1, dim) for part in parts])
        return Reference(statistics, self._reference_digest(found), len(found.items), rows)

    def _reference_digest(self, found: FolderFeatures) -> str:
        """Over the reference's contents and, where it decides, where their clips start."""
        clip = self._profile.clip
        return digest([found.digest, None if clip is None else clip.model_dump(mode="json")])


def _metric(name: str) -> Metric[Any]:
    metric: Metric[Any] = registry.load("metric", name)()
    if not isinstance(metric, _OF_FOLDERS):
        allowed = [one for one in registry.names("metric") if issubclass(registry.load("metric", one), _OF_FOLDERS)]
        raise ConfigError(f"{name} needs more than two folders. Of folders are scored: {', '.join(allowed)}.")
    return metric


def _batches(found: FolderFeatures, kind: ExtractorKind) -> Iterator[Batch]:
    """Every video is its own unit of resampling."""
    for places, features in blocks(found, kind):
        yield Batch(0, places, features)


def _in_words(choice: ClipChoice | None) -> str:
    if choice is None:
        return "whole video"
    every = "" if choice.every == 1 else f", every {choice.every}th"
    start = "" if choice.reference_start == "first" else "; of reference videos from a random place"
    return f"first {choice.frames} frames{every}{start}"


def _counts(reference: FolderFeatures, generated: FolderFeatures) -> list[str]:
    """What was left out, in words; nothing where nothing was."""
    notes = []
    for side, found in (("reference", reference), ("generated", generated)):
        if found.failed:
            notes.append(f"{len(found.failed)} {side} files could not be read and are left out")
        if found.too_short:
            notes.append(f"{len(found.too_short)} {side} videos are too short for a clip and are left out")
    return notes


def _none_left(side: str, found: FolderFeatures, choice: ClipChoice | None) -> str:
    if found.too_short and choice is not None:
        return (
            f"no {side} video has the {(choice.frames - 1) * choice.every + 1} frames of a clip: "
            f"{len(found.too_short)} are too short, {len(found.failed)} could not be read. Name another profile."
        )
    return f"none of the {side} files could be read; the first: {next(iter(found.failed.values()))}"


def _disclosures(chosen: Profile) -> list[str]:
    if chosen.verified:
        return [f"profile {chosen.name}@{chosen.version}: {chosen.summary}; tested against {chosen.verified}"]
    return [f"profile {chosen.name}@{chosen.version}: {chosen.summary}; not tested against {chosen.source} yet"]
