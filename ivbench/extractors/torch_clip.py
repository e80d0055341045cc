"""CLIP image and text embeddings of open_clip's models: a folder in its form, or a file of a named model's weights.

Source: Radford et al. 2021 (2103.00020). Pixels are resized here, so that no library's default decides a number.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import open_clip
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from ivbench.config import ResizeStep
from ivbench.errors import ConfigError, MissingFileError
from ivbench.extractors.base import Kind, check_features, check_videos
from ivbench.extractors.torch_resize import frames_to_pixels, resize, resize_in_words
from ivbench.extractors.torch_weights import fill

__all__ = ["ClipExtractor"]

_CHUNK = 128
_CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
_CLIP_STD = (0.26862954, 0.26130258, 0.27577711)


class ClipExtractor:
    """Unit vectors of frames and texts; see `ivbench.extractors.ImageTextExtractor`.

    Attributes:
        batch: frames at once.
        item_bytes: that a frame takes on its way: ViT-L-14-336's, the largest that a profile names; measured.
        context_length: tokens that a text may have, its start and end included; longer ones lose their tail.
    """

    kind: Kind = "image_text"
    batch: int = _CHUNK
    item_bytes: ClassVar[int] = 64 << 20

    def __init__(
        self,
        source: Path,
        *,
        name: str = "clip",
        digest: str = "",
        device: str = "cpu",
        steps: Sequence[ResizeStep] = (),
        model: str = "",
        long_text: Literal["keep-end", "cut"] = "keep-end",
        text: Literal["repaired", "plain"] = "repaired",
        clamp: bool = True,
    ) -> None:
        """Load a model of open_clip, computed with in float32; no code of a pickle runs.

        Args:
            source: a folder with open_clip_config.json, open_clip_model.safetensors, and a tokenizer where the
                configuration asks for one; or a file with the weights of `model`.
            name, digest: of its card.
            device: where it runs.
            steps: of a profile, in the place of the configuration's own resize.
            model: open_clip's name of the architecture; for a file.
            long_text: what a text that is too long loses; see `ivbench.config.ImageText`.
            text: what is done to a text before it is cut into tokens; see there too.
            clamp: whether pixels are clipped to [0, 255] behind the steps.

        Raises:
            MissingFileError: configuration or weights are not there.
            ConfigError: the configuration is none that open_clip or this file knows, the weights are another model's,
                or the steps end at another size.
            NonFiniteError: NaN or infinity in the weights.
        """
        settings = {} if model else _settings(source)
        self.name, self.digest, self._device, self._steps = name, digest, device, tuple(steps)
        self._cut, self._clamp = long_text == "cut", clamp or not steps
        known = model or f"local-dir:{source}"
        self._model = open_clip.create_model(known, load_weights=not model, precision="fp32", device=device).eval()
        if model:
            fill(self._model, source, f"open_clip's {model}")
        self._tokenize: Any = open_clip.get_tokenizer(known)
        if text == "plain":
            self._tokenize.clean_fn = _plain
        size = self._model.visual.image_size
        self._size = (int(size[0]), int(size[1])) if isinstance(size, (tuple, list)) else (int(size), int(size))
        if steps and (steps[-1].size, steps[-1].size) != self._size:
            height, width = self._size
            raise ConfigError(f"the profile resizes to {steps[-1].size}, {source} needs {height}x{width}.")
        self._mode = str(settings.get("interpolation", "bicubic"))
        self._squash = settings.get("resize_mode", "shortest") == "squash"
        self._mean, self._std = (
            torch.tensor(settings.get(key, default), device=device).view(1, 3, 1, 1)
            for key, default in (("mean", _CLIP_MEAN), ("std", _CLIP_STD))
        )
        self.context_length = int(self._model.context_length)
        self.dim = int(self.embed_text(["a"]).shape[1])
        self.preprocess = self._describe()

    def _describe(self) -> str:
        if self._steps:
            cut = ["end token of long texts cut"] if self._cut else []
            beyond = [] if self._clamp else ["not clipped"]
            return ", ".join([*map(resize_in_words, self._steps), *beyond, "then mean and std", *cut])
        height, width = self._size
        fit = "squashed to" if self._squash else "shortest side to, then centre crop,"
        return f"antialiased {self._mode}, {fit} {height}x{width}, not rounded, clipped to [0, 1], then mean and std"

    def extract(self, videos: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Unit vectors of each frame.

        Args:
            videos: [B, T, H, W, C] uint8.

        Returns:
            [B, T, D] float32, of norm 1.

        Raises:
            ShapeError: not uint8 videos.
            NonFiniteError: NaN or infinity came out.
        """
        check_videos(videos)
        frames = videos.reshape(-1, *videos.shape[2:])
        parts = [self._frames(frames[i : i + self.batch]) for i in range(0, len(frames), self.batch)]
        features = np.concatenate([np.empty((0, self.dim), np.float32), *parts])
        return check_features(features.reshape(*videos.shape[:2], self.dim), self.name)

    @torch.no_grad()
    def embed_text(self, texts: list[str]) -> NDArray[np.float32]:
        """Unit vectors of texts.

        Args:
            texts: N texts.

        Returns:
            [N, D] float32, of norm 1.

        Raises:
            NonFiniteError: NaN or infinity came out.
        """
        parts = []
        for i in range(0, len(texts), _CHUNK):
            tokens = self._tokens(texts[i : i + _CHUNK]).to(self._device)
            parts.append(self._model.encode_text(tokens, normalize=True).cpu().numpy())
        if not parts:
            return np.empty((0, self.dim), np.float32)
        return check_features(np.concatenate(parts).astype(np.float32), self.name)

    def truncated(self, texts: list[str]) -> NDArray[np.bool_]:
        """[N] which texts have more than `context_length` tokens, start and end included: they lose their ends."""
        return np.array([len(self._ids(text)) > self.context_length for text in texts], bool)

    def _tokens(self, texts: list[str]) -> Tensor:
        """[N, context_length] int64; the tokenizer keeps the end token of a text that is too long."""
        tokens: Tensor = self._tokenize(texts)
        if self._cut:
            for row in np.flatnonzero(self.truncated(texts)):
                tokens[row, -1] = self._ids(texts[row])[self.context_length - 1]
        return tokens

    def _ids(self, text: str) -> list[int]:
        """All tokens of a text, start and end included."""
        inner = getattr(self._tokenize, "tokenizer", None)  # open_clip's door to a Hugging Face tokenizer
        if inner is None:
            return [self._tokenize.sot_token_id, *self._tokenize.encode(text), self._tokenize.eot_token_id]
        return list(inner(self._tokenize.clean_fn(text)).input_ids)

    @torch.no_grad()
    def _frames(self, frames: NDArray[np.uint8]) -> NDArray[np.float32]:
        pixels = frames_to_pixels(frames, self._device)
        if self._steps:
            for step in self._steps:
                pixels = resize(pixels, step)
            pixels = pixels / 255.0
        else:
            pixels = self._resize(pixels / 255.0)
        pixels = pixels.clamp(0.0, 1.0) if self._clamp else pixels
        x = (pixels - self._mean) / self._std
        return np.asarray(self._model.encode_image(x, normalize=True).cpu().numpy(), np.float32)

    def _resize(self, pixels: Tensor) -> Tensor:
        """[N, C, H, W] to the model's size: squashed, or by the shortest side with a centre crop."""
        height, width = self._size
        target = (height, width)
        if not self._squash:
            scale = max(height / pixels.shape[-2], width / pixels.shape[-1])
            target = (max(height, round(pixels.shape[-2] * scale)), max(width, round(pixels.shape[-1] * scale)))
        if tuple(pixels.shape[-2:]) != target:
            pixels = functional.interpolate(pixels, size=target, mode=self._mode, antialias=True, align_corners=False)
        top, left = (target[0] - height) // 2, (target[1] - width) // 2
        return pixels[..., top : top + height, left : left + width]


def _plain(text: str) -> str:
    """NFC, white space and case as transformers' CLIPTokenizer has them: each character by itself in lower case."""
    spaced = " ".join(unicodedata.normalize("NFC", text).split())
    return "".join(character.lower() for character in spaced)


def _settings(folder: Path) -> dict[str, Any]:
    """The `preprocess_cfg` of an open_clip folder whose files are there."""
    file = folder / "open_clip_config.json"
    for needed in (file, folder / "open_clip_model.safetensors"):
        if not needed.is_file():
            raise MissingFileError(f"{needed} is not there. An open_clip folder has a configuration and safetensors.")
    try:
        settings = dict(json.loads(file.read_text(encoding="utf-8")).get("preprocess_cfg", {}))
    except (ValueError, AttributeError) as error:
        raise ConfigError(f"{file} is no open_clip configuration: {error}.") from None
    mode = settings.get("interpolation", "bicubic")
    if mode not in ("bilinear", "bicubic"):
        raise ConfigError(f'{file}: interpolation "{mode}" is not known. Allowed: bilinear, bicubic.')
    return settings
