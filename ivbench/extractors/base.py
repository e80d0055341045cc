"""The door to extractors: what one is, and how a folder of the zoo becomes one."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from ivbench import registry
from ivbench.errors import ConfigError, MissingFileError, NonFiniteError, ShapeError
from ivbench.zoo import read_card, verify

__all__ = [
    "Extractor",
    "ImageTextExtractor",
    "Kind",
    "ManyExtractor",
    "check_features",
    "check_videos",
    "load_extractor",
    "read_probe_config",
]

Kind = Literal["frames", "clips", "image_text", "motion"]
_CLIP_CONFIG = "open_clip_config.json"


@runtime_checkable
class Extractor(Protocol):
    """Videos to features.

    A video's features depend on that video alone, within 1e-5: never on its neighbours in the call.

    Attributes:
        name: the card's name; part of every label of a number that it decides.
        digest: sha256 (hex) over the files of its folder.
        kind: frames (features of each frame), clips (of each video), image_text (of each frame, and of texts),
            motion (of each video, without a network).
        dim: D, the number of features.
        preprocess: what happens to the pixels first, in words.
    """

    name: str
    digest: str
    kind: Kind
    dim: int
    preprocess: str

    def extract(self, videos: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Features of videos [B, T, H, W, C] uint8 of any size: [B, T, D] (frames, image_text) or [B, D] (clips)."""


@runtime_checkable
class ManyExtractor(Extractor, Protocol):
    """An extractor that batches videos of different sizes."""

    def extract_many(self, videos: Sequence[NDArray[np.uint8]]) -> list[NDArray[np.float32]]:
        """Features of videos [T, H, W, 3] uint8: one [T, D] (frames) or [D] (clips) each."""


@runtime_checkable
class ImageTextExtractor(Extractor, Protocol):
    """An extractor of unit vectors for frames and for texts."""

    def embed_text(self, texts: list[str]) -> NDArray[np.float32]:
        """Unit vectors [N, D] of N texts."""

    def truncated(self, texts: list[str]) -> NDArray[np.bool_]:
        """[N] which of N texts are longer than it can read, and lose their ends."""


def load_extractor(folder: Path, device: str = "cpu") -> Extractor:
    """Load the extractor of a zoo folder, after its files' digests were verified.

    Args:
        folder: card.yaml, and an open_clip folder or a probe's config.json and model.safetensors.
        device: where it runs.

    Raises:
        MissingFileError: no such folder, or a file of its card is not there.
        DigestError: a file is not what the card says.
        ConfigError: the card or the configuration is wrong.
    """
    card = read_card(Path(folder))
    if not verify(card):
        raise ConfigError(
            f"{folder / 'card.yaml'} lists no files. An extractor's card names each file with its sha256."
        )
    name = "clip" if (folder / _CLIP_CONFIG).is_file() else str(read_probe_config(folder)["extractor"])
    extractor: Extractor = registry.load("extractor", name)(folder, name=card.name, digest=card.digest, device=device)
    return extractor


def read_probe_config(folder: Path) -> dict[str, Any]:
    """What a probe's config.json holds: extractor, widths, heads.

    Raises:
        MissingFileError: there is none.
        ConfigError: it is no JSON, or lacks a key.
    """
    file = folder / "config.json"
    if not file.is_file():
        raise MissingFileError(f"{folder} has neither {_CLIP_CONFIG} nor config.json. Name the folder of an extractor.")
    try:
        config = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ConfigError(f"{file} is not JSON: {error}.") from None
    needed = ("extractor", "heads", "widths")
    missing = [key for key in needed if not isinstance(config, dict) or key not in config]
    if missing:
        raise ConfigError(f'{file} lacks "{missing[0]}". A probe\'s configuration has {", ".join(needed)}.')
    return dict(config)


def check_videos(videos: NDArray[np.uint8]) -> None:
    """Refuse what is no uint8 video batch with a frame and three channels.

    Raises:
        ShapeError: says what came.
    """
    if videos.ndim != 5 or videos.shape[-1] != 3 or videos.dtype != np.uint8 or 0 in videos.shape[1:]:
        raise ShapeError(
            f"an extractor reads [B, T, H, W, 3] uint8 videos, got {list(videos.shape)} {videos.dtype}. "
            "Give it final videos."
        )


def check_features(features: NDArray[np.float32], name: str) -> NDArray[np.float32]:
    """Pass finite features through.

    Raises:
        NonFiniteError: NaN or infinity; names the extractor.
    """
    if not np.isfinite(features).all():
        raise NonFiniteError(f'the features of "{name}" hold NaN or infinity. Verify its weights with its card.')
    return features
