"""Scores of a folder of videos against a folder of reference videos, under a named profile."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ivbench import registry
from ivbench.config import Order, digest
from ivbench.data.captions import FROM_NAMES, captions_of, entries
from ivbench.data.unpacked import set_folder
from ivbench.errors import ConfigError, ShapeError
from ivbench.extractors import ImageTextExtractor
from ivbench.metrics import (
    Batch,
    ComparedMetric,
    Conditions,
    FrechetMetric,
    Metric,
    Pool,
    Reference,
    Texts,
)
from ivbench.metrics.base import NO_PROMPTS, ExtractorKind
from ivbench.metrics.clip_score import CLIPScore
from ivbench.metrics.manifold_means import Authenticity
from ivbench.metrics.mean_metric import MeanEvidence, MeanMetric
from ivbench.metrics.pickled_statistics import require_allowed
from ivbench.metrics.r_precision import RPrecision
from ivbench.metrics.statistics_files import StatisticsFile, write_statistics
from ivbench.plan import Execution
from ivbench.results.files import write_csv, write_results
from ivbench.results.schema import CascadeInfo, Cell, Results, Score, SuiteInfo
from ivbench.results.store import Store
from ivbench.run.environment import describe_environment
from ivbench.run.folder_copies import closest_in_words, nearest_videos
from ivbench.run.folder_extraction import Choices, Extraction, clip_in_words
from ivbench.run.folder_features import FolderFeatures, blocks
from ivbench.run.folder_floor import FLOOR_DRAWS, folder_floor, real_value
from ivbench.run.folder_items import Item, find_items
from ivbench.run.package_files import package_note
from ivbench.run.pipeline import RESULTS, TABLE, Outcome, require_folder
from ivbench.run.progress import Reporter
from ivbench.run.reference_files import holds_statistics, made_by, read_reference

__all__ = ["FolderRequest", "folder_score", "folder_statistics", "metric_of_folders", "score_folders"]

Units = NDArray[np.int64]

_SEEDS = (0,)
_CAPTIONED = (CLIPScore, RPrecision)


@dataclass(frozen=True)
class FolderRequest:
    """What to score, and how.

    Attributes:
        generated: folder of videos or images.
        reference: the same, or a file of statistics; None where every metric is of captions.
        metrics: registry names.
        choices: profile, weights, device.
        captions: a file, or "names"; see `ivbench.data.captions`; needed by metrics of captions.
        floor_draws: of the null floor that a reference folder gives; 0: none.
        allow_pickle: whether the reference may be a pickle of statistics, which is read without running code.
    """

    generated: Path
    reference: Path | None
    metrics: tuple[str, ...]
    choices: Choices
    captions: str | None = None
    floor_draws: int = FLOOR_DRAWS
    allow_pickle: bool = False


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
        ProtocolError: the reference's statistics were made in another way.
        ShapeError: too few videos are left.
        StoreError: `out` or the store cannot be written.
    """
    scoring = _Scoring(request, Extraction(request.choices, store, reporter))
    require_folder(out)
    results = scoring.results(command)
    write_results(results, out / RESULTS)
    write_csv(results, out / TABLE)
    return Outcome(results, out / RESULTS, scoring.extraction.computed, {})


def folder_score(
    request: FolderRequest, store: Store, reporter: Reporter, find: Callable[[Path, Order], list[Item]] = find_items
) -> Score:
    """The score of a request's first metric; nothing is written but features into the store.

    Args:
        request: what to score.
        store: where features are kept.
        reporter: told of progress.
        find: gives the videos of a folder in an order.

    Raises:
        IvbenchError: as `score_folders`.
    """
    scoring = _Scoring(request, Extraction(request.choices, store, reporter, find))
    return scoring.score(metric_of_folders(request.metrics[0]))


def folder_statistics(folder: Path, metric: str, choices: Choices, store: Store, reporter: Reporter, out: Path) -> int:
    """Write the reference statistics of a folder: mean and covariance of its features, and what made them.

    Returns:
        Videos behind them.

    Raises:
        IvbenchError: as `score_folders`.
    """
    found = metric_of_folders(metric)
    extraction = Extraction(choices, store, reporter)
    extraction.find(folder)
    extraction.extractor(found.kind)
    if not isinstance(found, FrechetMetric):
        raise ConfigError(f"{metric} needs the features themselves, not their statistics. Name a Frechet metric.")
    features = extraction.features(found.kind, folder, is_reference=True)
    statistics = found.reference(part for _, part in blocks(features, found.kind))
    made = {**made_by(extraction, metric, found.kind), "set": extraction.set_digest(found.kind, features)}
    write_statistics(out, StatisticsFile(statistics, len(features.items), made), extraction.profile.ddof)
    return len(features.items)


def metric_of_folders(name: str) -> Metric[Any]:
    """A metric that two folders are enough for.

    Raises:
        ConfigError: no such metric, or it needs more.
    """
    metric: Metric[Any] = registry.load("metric", name)()
    if not _serves(type(metric)):
        allowed = [one for one in registry.names("metric") if _serves(registry.load("metric", one))]
        raise ConfigError(f"{name} needs more than folders and captions. Of folders are scored: {', '.join(allowed)}.")
    return metric


def _serves(metric: type[Metric[Any]]) -> bool:
    return not metric.captioned or issubclass(metric, _CAPTIONED)


class _Scoring:
    """One request; what can be wrong is looked at when it is made."""

    def __init__(self, request: FolderRequest, extraction: Extraction) -> None:
        self._request, self.extraction = request, extraction
        self._metrics = [metric_of_folders(name) for name in request.metrics]
        self._require_material()
        require_allowed(request.reference, request.allow_pickle)
        self._from_file = request.reference is not None and holds_statistics(request.reference)
        if request.reference is not None and not self._from_file:
            extraction.find(request.reference)
        extraction.find(request.generated)
        for metric in self._metrics:
            extraction.extractor(metric.kind)
        self._statistics: dict[str, tuple[Reference, list[str]]] = {}
        if request.reference is not None and self._from_file:
            compared = [metric for metric in self._metrics if metric.compares]
            self._statistics = {
                metric.name: read_reference(metric, request.reference, extraction) for metric in compared
            }

    def score(self, metric: Metric[Any]) -> Score:
        """The record of one metric."""
        generated = self.extraction.features(metric.kind, self._request.generated, is_reference=False)
        reference: Reference | None = None
        texts: Texts | None = None
        notes: list[str] = []
        units: Units = np.arange(len(generated.items), dtype=np.int64)
        if metric.compares:
            reference, notes = self._reference(metric, generated)
        elif metric.captioned:
            texts, units = self._texts(metric, generated)
        conditions = self._conditions(metric.kind, generated, reference, texts)
        if isinstance(metric, ComparedMetric):
            conditions, said = self._with_floor(metric, conditions, len(generated.items))
            notes += said
        evidence = metric.gather(_batches(generated, metric.kind, units), conditions)
        counts = _failed(generated)
        truth = self._truth(metric, conditions, len(generated.items))
        score = metric.score(evidence, conditions, _SEEDS, failed=sum(counts.values()), context=truth)
        counts["duplicate_used"] = generated.duplicates
        notes = [*score.notes, *notes, *self._of_files("generated", self._request.generated, generated)]
        update: dict[str, Any] = {"counts": score.counts.model_copy(update=counts), "notes": notes}
        if score.by_prompt:
            update["units"] = self._units(generated, units, texts)
        if isinstance(metric, Authenticity):
            update |= self._copies(evidence, generated, notes)
        return score.model_copy(update=update)

    def _copies(self, evidence: MeanEvidence, generated: FolderFeatures, notes: list[str]) -> dict[str, Any]:
        """Which real video is nearest to each, and the notes with the likeliest copies among them."""
        request = self._request
        assert request.reference is not None
        real = self.extraction.features(Authenticity.kind, request.reference, is_reference=True)
        names, places = _names(request.reference, real), (part for part, _ in blocks(real, Authenticity.kind))
        found, usual = nearest_videos(evidence, [names[place] for part in places for place in part])
        said = closest_in_words(_names(request.generated, generated), found, usual)
        return {"nearest": found, "notes": [*notes, *said]}

    def _units(self, found: FolderFeatures, units: Units, texts: Texts | None) -> list[str]:
        """What a value of its own is of: a caption where videos share one, else a video's file."""
        if texts is not None and not np.array_equal(units, np.arange(len(found.items))):
            return list(texts.captions)
        return _names(self._request.generated, found)

    def results(self, command: str) -> Results:
        """The whole record."""
        chosen, request = self.extraction.profile, self._request
        scores = [self.score(metric) for metric in self._metrics]
        generated = self.extraction.features(self._metrics[0].kind, request.generated, is_reference=False)
        name = request.generated.resolve().name or "videos"
        cell = Cell(
            id=digest([generated.digest, chosen.payload()])[:16],
            label="videos",
            settings={},
            guidance_w=None,
            scale_g=None,
            costs=[],
            scores=scores,
            gallery=[],
        )
        against = "" if request.reference is None else f" against {request.reference.name}"
        description = f"{len(generated.items)} videos{against}"
        suite = f"{chosen.name}@{chosen.version}"
        device = request.choices.device.partition(":")[0]
        return Results(
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            command=command,
            suite=SuiteInfo(name=suite, digest=digest(chosen.payload()), prompts=[], runs=1, seeds=list(_SEEDS)),
            cascade=CascadeInfo(name=name, digest=generated.digest, description=description, stages=[]),
            environments=[describe_environment(Execution(device=device))],
            cells=[cell],
            ground_truth=[],
            disclosures=_disclosures(request.choices),
        )

    def _require_material(self) -> None:
        if not self._metrics:
            raise ConfigError("--metrics names no metric. Name one, such as frame_fid; see: ivbench metric list")
        for metric in self._metrics:
            if metric.compares and self._request.reference is None:
                raise ConfigError(f"{metric.name} compares with real videos, got none. Give --reference.")
            if metric.captioned and self._request.captions is None:
                raise ConfigError(f'{metric.name} needs captions, got none. Give --captions FILE, or "names".')
        if self._request.captions not in (None, FROM_NAMES):
            deque(entries(Path(str(self._request.captions))), maxlen=0)  # a file that can't be read is said at once

    def _texts(self, metric: Metric[Any], found: FolderFeatures) -> tuple[Texts, Units]:
        """Embedded captions, and which each video has. A caption is one unit, but under a package's own CLIP score."""
        assert self._request.captions is not None
        extractor, prefix = self.extraction.extractor("image_text"), self.extraction.profile.prefix
        assert isinstance(extractor, ImageTextExtractor)
        root = set_folder(self._request.generated)
        given = captions_of([item.path for item in found.items], root, self._request.captions)
        captions = given.texts
        unique = list(dict.fromkeys(captions))
        read = [prefix + caption for caption in unique]
        embeddings, cut = extractor.embed_text(read), extractor.truncated(read)
        place = {caption: number for number, caption in enumerate(unique)}
        which = np.array([place[caption] for caption in captions], np.int64)
        classes = None if given.classes is None else np.unique(given.classes, return_inverse=True)[1]
        pool = Pool.merged(captions, embeddings[which], None, classes) if isinstance(metric, RPrecision) else None
        if self.extraction.profile.clip_score is None:
            return Texts.of(unique, embeddings, pool, int(cut.sum())), which
        each = np.arange(len(captions), dtype=np.int64)
        return Texts.of(captions, embeddings[which], pool, int(cut[which].sum())), each

    def _reference(self, metric: Metric[Any], generated: FolderFeatures) -> tuple[Reference, list[str]]:
        """The reference of a metric, and what is to be said of it."""
        assert self._request.reference is not None
        if self._from_file:
            return self._statistics[metric.name]
        found = self.extraction.features(metric.kind, self._request.reference, is_reference=True)
        parts = (part for _, part in blocks(found, metric.kind))
        prepared = metric.prepare(parts, self.extraction.set_digest(metric.kind, found), len(found.items))
        notes = self._of_files("reference", self._request.reference, found)
        return prepared, [*_on_both_sides(generated, found), *notes]

    def _of_files(self, side: str, folder: Path, found: FolderFeatures) -> list[str]:
        """What is to be said of a folder's files, the package's own choice of them included."""
        return [*_of_files(side, found), *package_note(self.extraction.profile, side, folder, found.items)]

    def _with_floor(
        self, metric: ComparedMetric, conditions: Conditions, generated: int
    ) -> tuple[Conditions, list[str]]:
        """Conditions with the null floor that the reference folder gives, and what to say where it gives none."""
        draws = self._request.floor_draws
        if not draws or self._from_file or self._request.reference is None:
            return conditions, []
        real = self.extraction.features(metric.kind, self._request.reference, is_reference=True)
        floor = folder_floor(metric, conditions, real, generated, self.extraction.store, draws)
        if floor is None:
            return conditions, ["the reference has too few videos for a null floor"]
        return replace(conditions, floor=floor), []

    def _truth(self, metric: Metric[Any], conditions: Conditions, generated: int) -> dict[str, float]:
        """The value of real videos, where a reference folder gives one to a mean over videos."""
        request = self._request
        if not isinstance(metric, MeanMetric) or metric.captioned or self._from_file:
            return {}
        if not request.floor_draws or request.reference is None:
            return {}
        try:
            real = self.extraction.features(metric.kind, request.reference, is_reference=True)
        except ShapeError:  # of a measure of time, and the reference holds images: there is nothing beside it
            return {}
        found = real_value(metric, conditions, real, generated, request.floor_draws)
        return {} if found is None else {"ground_truth": found}

    def _conditions(
        self, kind: ExtractorKind, generated: FolderFeatures, reference: Reference | None, texts: Texts | None
    ) -> Conditions:
        return Conditions(
            source=self.extraction.source(kind),
            profile=self.extraction.profile,
            frames=generated.common("frames"),
            fps=generated.common("fps"),
            height=generated.common("height"),
            width=generated.common("width"),
            prompts=NO_PROMPTS if texts is None else digest(list(texts.captions)),
            num_prompts=len(generated.items) if texts is None else len(texts.captions),
            clip=clip_in_words(self.extraction.clip(kind)),
            reference=reference,
            texts=texts,
        )


def _batches(found: FolderFeatures, kind: ExtractorKind, units: Units) -> Iterator[Batch]:
    """Features with each video's unit of resampling: itself, or its caption."""
    for places, features in blocks(found, kind):
        yield Batch(0, units[places], features)


def _names(folder: Path, found: FolderFeatures) -> list[str]:
    """Of each video its file within the folder."""
    root = set_folder(folder)
    return [item.path.name if item.path == root else item.path.relative_to(root).as_posix() for item in found.items]


def _failed(found: FolderFeatures) -> dict[str, int]:
    """The fields of `Counts` for videos that have no features."""
    return {"undecodable": len(found.failed), "too_short": len(found.too_short)}


def _on_both_sides(generated: FolderFeatures, reference: FolderFeatures) -> list[str]:
    """How many generated videos are files of the reference: a wrong folder, or copies."""
    real = {item.digest for item in reference.items}
    count = sum(item.digest in real for item in generated.items)
    return [f"{count} generated videos are the same file as one of the reference"] if count else []


def _of_files(side: str, found: FolderFeatures) -> list[str]:
    """What was left out, and what stands twice, in words; nothing where nothing is to be said."""
    notes = []
    if found.failed:
        notes.append(f"{len(found.failed)} {side} files could not be read and are left out")
    if found.passed_over:
        notes.append(f"{found.passed_over} {side} videos behind the first {len(found.items)} are passed over")
    if found.too_short:
        notes.append(f"{len(found.too_short)} {side} videos are too short for a clip and are left out")
    if found.duplicates:
        notes.append(f"{found.duplicates} {side} videos are the same file as an earlier one and are used all the same")
    return notes


def _disclosures(choices: Choices) -> list[str]:
    chosen = choices.profile
    tested = f"tested against {chosen.verified}" if chosen.verified else f"not tested against {chosen.source} yet"
    if choices.extractor is not None and any((chosen.frames, chosen.clips, chosen.image_text)):
        tested += f", whose network {choices.extractor} stands in for"
    return [f"profile {chosen.name}@{chosen.version}: {chosen.summary}; {tested}"]
