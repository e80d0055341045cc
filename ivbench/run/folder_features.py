"""Features of a folder's videos: computed once for content, extractor and clip, whatever a file is called."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ivbench.config import ClipChoice, digest
from ivbench.data.video_files import Video
from ivbench.errors import MissingFileError, NonFiniteError, ShapeError, UnreadableError
from ivbench.extractors import Extractor, ManyExtractor
from ivbench.results.store import Store
from ivbench.run.folder_items import Item, buckets, read_clip
from ivbench.run.memory_budget import MemoryBudget
from ivbench.run.progress import Reporter

__all__ = ["FolderFeatures", "Shape", "blocks", "extract_folder"]

_FORMAT = 3
_FRAMES_AT_ONCE = 64
"""Videos are handed to the extractor when they have so many frames together."""
_READERS = 2
_BLOCK = 512
"""Videos whose features a metric is given at once: its float64 copies stay small."""
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Shape:
    """What was scored of one video."""

    frames: int
    height: int
    width: int
    fps: float | None


@dataclass(eq=False)
class FolderFeatures:
    """Features of a folder's videos, in the folder's order.

    Attributes:
        items: the videos that have features.
        features: one array an item: [T, D] (frames) or [1, D] (clips).
        shapes: one an item.
        failed: path -> why it has none.
        too_short: paths of videos with fewer frames than a clip.
        computed: groups of features that were computed and not found in the store.
        passed_over: videos behind those that the profile takes, which nobody looked at.
    """

    items: list[Item] = field(default_factory=list)
    features: list[Floats] = field(default_factory=list)
    shapes: list[Shape] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    too_short: list[str] = field(default_factory=list)
    computed: int = 0
    passed_over: int = 0

    def add(self, other: FolderFeatures) -> None:
        """Take in what was found of the videos behind these."""
        self.items += other.items
        self.features += other.features
        self.shapes += other.shapes
        self.failed |= other.failed
        self.too_short += other.too_short
        self.computed += other.computed

    @property
    def digest(self) -> str:
        """Over what the videos hold, in any order: equal contents with other names are the same set."""
        return digest(sorted(item.digest for item in self.items))

    @property
    def duplicates(self) -> int:
        """How many of the items hold what an earlier one holds."""
        return len(self.items) - len({item.digest for item in self.items})

    def common(self, name: str) -> Any:
        """The value of a field of `Shape` where all videos agree; else None."""
        values = {getattr(shape, name) for shape in self.shapes}
        return values.pop() if len(values) == 1 else None


def extract_folder(
    items: Sequence[Item],
    extractor: Extractor,
    choice: ClipChoice | None,
    is_reference: bool,
    store: Store,
    reporter: Reporter,
    name: str,
    budget: MemoryBudget = MemoryBudget(),  # noqa: B008 - frozen
) -> FolderFeatures:
    """Features of a folder's videos, or of the first so many that have a clip, from the store where it has them.

    Args:
        items: of the folder.
        extractor: of frames or clips.
        choice: the clip; None: all frames.
        is_reference: whether this is the reference, whose clips may start elsewhere.
        store: where features are kept.
        reporter: told of progress.
        name: of the phase.
        budget: of memory.

    Raises:
        NonFiniteError: features with NaN or infinity; says of how many videos, and the first.
    """
    if choice is None or choice.videos is None:
        return _extracted(items, extractor, choice, is_reference, store, reporter, name, budget)
    result, rest = FolderFeatures(), list(items)
    while rest and len(result.items) < choice.videos:
        wanted = choice.videos - len(result.items)
        part, rest = rest[:wanted], rest[wanted:]
        result.add(_extracted(part, extractor, choice, is_reference, store, reporter, name, budget))
    result.passed_over = len(rest)
    return result


def _extracted(
    items: Sequence[Item],
    extractor: Extractor,
    choice: ClipChoice | None,
    is_reference: bool,
    store: Store,
    reporter: Reporter,
    name: str,
    budget: MemoryBudget,
) -> FolderFeatures:
    phase = reporter.phase(name, len(items))
    known: dict[str, tuple[Floats, Shape] | str] = {}
    result = FolderFeatures()
    clip = {} if choice is None else choice.model_dump(mode="json", exclude={"videos"}, exclude_none=True)
    for group in buckets(items):
        payload = {
            "kind": "folder-features",
            "format": _FORMAT,
            "extractor": [extractor.name, extractor.digest, extractor.preprocess],
            "clip": [clip, is_reference and clip.get("reference_start") == "random"],
            "items": [item.digest for item in group],
        }
        entry = digest(payload)
        found = _load(store, entry, group)
        if found is None:
            found = _compute(group, extractor, choice, is_reference, budget)
            _keep(store, entry, group, found)
            result.computed += 1
        known |= found
        phase.advance(len(group))
    for item in items:
        _sort_in(result, item, known[item.digest])
    _require_finite(result)
    return result


def _require_finite(found: FolderFeatures) -> None:
    bad = [item.path for item, rows in zip(found.items, found.features, strict=True) if not np.isfinite(rows).all()]
    if bad:
        raise NonFiniteError(
            f"features of {len(bad)} of {len(found.items)} videos have NaN or infinity, the first of {bad[0]}. "
            "Nothing is scored without them: look at the weights, then at these files."
        )


def _sort_in(result: FolderFeatures, item: Item, found: tuple[Floats, Shape] | str) -> None:
    if isinstance(found, tuple):
        result.items.append(item)
        result.features.append(found[0])
        result.shapes.append(found[1])
    elif found:
        result.failed[str(item.path)] = found
    else:
        result.too_short.append(str(item.path))


def _compute(
    group: Sequence[Item], extractor: Extractor, choice: ClipChoice | None, is_reference: bool, budget: MemoryBudget
) -> dict[str, tuple[Floats, Shape] | str]:
    """Item digest -> its features and shape; or why it failed; or "" where it is too short."""
    found: dict[str, tuple[Floats, Shape] | str] = {}
    waiting: list[tuple[Item, Video]] = []
    for item, video in _read_ahead(group, choice, is_reference, budget):
        if not isinstance(video, Video):
            found[item.digest] = video
            continue
        if len(video.frames) < getattr(extractor, "fewest_frames", 1):
            found[item.digest] = ""
            continue
        waiting.append((item, video))
        held = sum(one.frames.nbytes for _, one in waiting)
        if held >= budget.decoded // 2 or sum(len(one.frames) for _, one in waiting) >= _FRAMES_AT_ONCE:
            found |= _extract(waiting, extractor)
            waiting = []
    return found | _extract(waiting, extractor)


def _read_ahead(
    group: Sequence[Item], choice: ClipChoice | None, is_reference: bool, budget: MemoryBudget
) -> Iterator[tuple[Item, Video | str]]:
    """Items and their clips, decoded in threads while others go through the network; never more than a few at once."""

    def read(item: Item) -> Video | str:
        try:
            return read_clip(item, choice, is_reference) or ""
        except (UnreadableError, ShapeError, MissingFileError) as error:
            return str(error)

    with ThreadPoolExecutor(_READERS) as pool:
        queue: deque[tuple[Item, Future[Video | str]]] = deque()
        largest = 0
        for item in group:
            queue.append((item, pool.submit(read, item)))
            while len(queue) > budget.ahead(largest, _READERS):
                first, future = queue.popleft()
                video = future.result()
                largest = max(largest, video.frames.nbytes if isinstance(video, Video) else 0)
                yield first, video
        for first, future in queue:
            yield first, future.result()


def _extract(waiting: Sequence[tuple[Item, Video]], extractor: Extractor) -> dict[str, tuple[Floats, Shape] | str]:
    frames = [video.frames for _, video in waiting]
    if isinstance(extractor, ManyExtractor):
        features = extractor.extract_many(frames)
    else:
        features = [extractor.extract(one[None])[0] for one in frames]
    return {
        item.digest: (_rows(part, extractor, len(video.frames)), _shape(video))
        for (item, video), part in zip(waiting, features, strict=True)
    }


def _rows(part: Floats, extractor: Extractor, frames: int) -> Floats:
    """Features of a video as [T, D] (of its frames) or [1, D].

    Raises:
        ShapeError: the extractor gave others than it says.
    """
    wanted = (frames, extractor.dim) if extractor.kind in ("frames", "image_text") else (extractor.dim,)
    if np.shape(part) != wanted:
        raise ShapeError(
            f"{extractor.name} gave features {list(np.shape(part))} of a video of {frames} frames, {list(wanted)} "
            "expected of its kind and dim."
        )
    return part.reshape(-1, extractor.dim)


def _shape(video: Video) -> Shape:
    frames, height, width, _ = video.frames.shape
    return Shape(frames, height, width, video.fps)


def _load(store: Store, entry: str, group: Sequence[Item]) -> dict[str, tuple[Floats, Shape] | str] | None:
    arrays = store.get(entry)
    about = None if arrays is None else store.manifest(entry)
    if arrays is None or about is None:
        return None
    rows = np.split(arrays["features"], np.cumsum(arrays["rows"])[:-1])
    found: dict[str, tuple[Floats, Shape] | str] = {}
    for item, part, told in zip(group, rows, about["items"], strict=True):
        found[item.digest] = told if isinstance(told, str) else (part, Shape(**told))
    return found


def _keep(store: Store, entry: str, group: Sequence[Item], found: dict[str, tuple[Floats, Shape] | str]) -> None:
    """Keep what was computed; a group with a file that could not be read is tried again next time."""
    values = [found[item.digest] for item in group]
    if any(isinstance(value, str) and value for value in values):
        return
    parts = [value[0] if isinstance(value, tuple) else None for value in values]
    dim = next((part.shape[1] for part in parts if part is not None), 0)
    rows = np.array([0 if part is None else len(part) for part in parts], np.int64)
    told = [value[1].__dict__ if isinstance(value, tuple) else value for value in values]
    joined = np.concatenate([np.empty((0, dim), np.float32), *(part for part in parts if part is not None)])
    store.put(entry, {"features": joined, "rows": rows}, {"kind": "folder-features", "items": told})


def blocks(found: FolderFeatures, kind: str) -> Iterator[tuple[NDArray[np.int64], Floats]]:
    """Features as metrics take them: (places in `items`, [B, T, D] of frames or else [B, D]), one T a block."""
    by_length: dict[int, list[int]] = {}
    for place, part in enumerate(found.features):
        by_length.setdefault(len(part), []).append(place)
    for length in sorted(by_length):
        for start in range(0, len(by_length[length]), _BLOCK):
            places = by_length[length][start : start + _BLOCK]
            stacked = np.stack([found.features[place] for place in places])
            yield np.array(places, np.int64), stacked[:, 0] if kind in ("clips", "motion") else stacked
