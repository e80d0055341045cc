"""What the published networks share: frames are resized and scaled as a profile says, then run in batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ivbench.config import Network
from ivbench.errors import ConfigError, ShapeError, did_you_mean
from ivbench.extractors.base import Kind, check_features, check_videos
from ivbench.extractors.torch_resize import frames_to_pixels, resize, resize_in_words
from ivbench.extractors.weights import Weights

__all__ = ["NetworkExtractor"]

_SCALES = {
    "none": "as they are",
    "tf": "(x - 128) / 128",
    "symmetric": "2 x / 255 - 1",
    "imagenet": "ImageNet's mean and std",
}
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class NetworkExtractor:
    """A published network as an extractor; see `ivbench.extractors.Extractor`.

    A subclass says its kind, its outputs, how many items a batch, the bytes that one takes on its way (measured and
    rounded up), the least height and width that its layers take, and how a batch is run: `_run`.
    """

    kind: Kind
    taps: ClassVar[dict[str, int]]
    batch: ClassVar[int]
    item_bytes: ClassVar[int] = 32 << 20
    least_side: ClassVar[int] = 1

    def __init__(self, weights: Weights, choice: Network, device: str = "cpu") -> None:
        """Take a profile's choices.

        Args:
            weights: of the network.
            choice: what it sees, and which output counts.
            device: where it runs.

        Raises:
            ConfigError: it has no such output.
        """
        if choice.tap not in self.taps:
            raise ConfigError(f'{choice.name} has no output "{choice.tap}".{did_you_mean(choice.tap, self.taps)}')
        self.name, self.digest, self.published = weights.name, weights.digest, weights.published
        self.dim = self.taps[choice.tap]
        self._choice, self._device = choice, device
        steps = [resize_in_words(step) for step in choice.resize] or ["resized by the network"]
        self.preprocess = ", ".join([*steps, _SCALES[choice.scale], f"output {choice.tap}"])

    def extract(self, videos: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Features of videos [B, T, H, W, 3] uint8: [B, T, D] (frames) or [B, D] (clips)."""
        check_videos(videos)
        shape = (len(videos), videos.shape[1]) if self.kind == "frames" else (len(videos),)
        found = self.extract_many(list(videos))
        return np.stack(found) if found else np.empty((*shape, self.dim), np.float32)

    @torch.no_grad()
    def extract_many(self, videos: Sequence[NDArray[np.uint8]]) -> list[NDArray[np.float32]]:
        """Features of videos of any sizes.

        Args:
            videos: each [T, H, W, 3] uint8; of clips all of one T.

        Returns:
            One array a video: [T, D] (frames) or [D] (clips), float32.

        Raises:
            ShapeError: not uint8 videos, or frames that are too small for the network as the profile resizes them.
            NonFiniteError: NaN or infinity came out.
        """
        for video in videos:
            check_videos(video[None])
        features = [self._run(batch).cpu().numpy() for batch in self._batches(videos)]
        rows = check_features(np.concatenate([np.empty((0, self.dim), np.float32), *features]), self.name)
        if self.kind == "clips":
            return list(rows)
        return np.split(rows, np.cumsum([len(video) for video in videos])[:-1]) if videos else []

    def _run(self, batch: Tensor) -> Tensor:
        """Frames [N, 3, H, W] or clips [N, 3, T, H, W], float32 as the profile scales them -> features [N, D]."""
        raise NotImplementedError

    def _batches(self, videos: Sequence[NDArray[np.uint8]]) -> Iterator[Tensor]:
        items: list[Tensor] = []
        for video in videos:
            for pixels in self._items(video):
                if items and (len(items) == self.batch or items[0].shape != pixels.shape):
                    yield torch.stack(items)
                    items = []
                items.append(pixels)
        if items:
            yield torch.stack(items)

    def _items(self, video: NDArray[np.uint8]) -> Iterator[Tensor]:
        """What of a video goes through the network by itself: its frames [3, H, W], or all of it [3, T, H, W]."""
        if self.kind == "clips":
            yield self._pixels(video).transpose(0, 1)
            return
        for start in range(0, len(video), self.batch):
            yield from self._pixels(video[start : start + self.batch])

    def _pixels(self, frames: NDArray[np.uint8]) -> Tensor:
        x = frames_to_pixels(frames, self._device)
        for step in self._choice.resize:
            x = resize(x, step)
        if min(x.shape[-2:]) < self.least_side:
            height, width = x.shape[-2:]
            raise ShapeError(
                f"{self.name} needs frames of {self.least_side} x {self.least_side} or more, got {height} x {width}. "
                "Name a profile that resizes them."
            )
        if self._choice.scale == "tf":
            return (x - 128) / 128
        if self._choice.scale == "imagenet":
            mean, std = (torch.tensor(values, device=x.device).view(3, 1, 1) for values in (_MEAN, _STD))
            return (x / 255 - mean) / std
        return 2 * x / 255 - 1 if self._choice.scale == "symmetric" else x
