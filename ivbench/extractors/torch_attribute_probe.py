"""What the frame probe and the video probe share: a folder with a net, features in chunks, answers of its heads."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray

from ivbench.extractors.base import check_features, check_videos, read_probe_config
from ivbench.extractors.torch_probe_nets import FEATURES, FrameProbeNet, VideoProbeNet
from ivbench.extractors.torch_probe_weights import load_weights

__all__ = ["AttributeProbe"]


class AttributeProbe:
    """A small net with a head for each attribute; see `ivbench.extractors.Extractor`.

    A subclass says which net, how many items a chunk, and what an item is: `_items` and `_features`.
    """

    dim = FEATURES
    net_type: ClassVar[type[FrameProbeNet] | type[VideoProbeNet]]
    chunk: ClassVar[int]

    def __init__(self, folder: Path, *, name: str, digest: str = "", device: str = "cpu") -> None:
        """Load a probe's folder.

        Args:
            folder: config.json and model.safetensors.
            name, digest: of its card.
            device: where it runs.
        """
        config = read_probe_config(folder)
        self.name, self.digest, self._device = name, digest, device
        self.heads = {head: tuple(values) for head, values in config["heads"].items()}
        self._net = load_weights(self.net_type(self.heads, tuple(config["widths"])), folder, device)

    def extract(self, videos: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Features of each item (a frame or a clip).

        Args:
            videos: [B, T, H, W, C] uint8.

        Returns:
            [B, T, 32] float32 of frames, [B, 32] of clips.

        Raises:
            ShapeError: not uint8 videos.
            NonFiniteError: NaN or infinity came out.
        """
        check_videos(videos)
        items, shape = self._items(videos)
        parts = [self._features(items[i : i + self.chunk]) for i in range(0, len(items), self.chunk)]
        features = np.concatenate([np.empty((0, FEATURES), np.float32), *parts])
        return check_features(features.reshape(*shape, FEATURES), self.name)

    def predict(self, videos: NDArray[np.uint8]) -> dict[str, NDArray[np.str_]]:
        """What each item shows: attribute -> [B, T] or [B] of its values or "none"."""
        features = torch.from_numpy(self.extract(videos)).to(self._device)
        answers = self._net.heads(features)
        return {name: np.array(self.heads[name])[logits.argmax(-1).cpu().numpy()] for name, logits in answers.items()}

    def _items(self, videos: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], tuple[int, ...]]:
        """What goes through the net, [N, ...], and the shape that its N features are given."""
        raise NotImplementedError

    def _features(self, items: NDArray[np.uint8]) -> NDArray[np.float32]:
        """[N, ...] -> [N, 32]."""
        raise NotImplementedError
