"""T5 text encoders (v1.0, v1.1, mini, XXL) through transformers, frozen, in PyTorch.

Source: Raffel et al. 2020 (1910.10683); the frozen encoder of Imagen Video is T5-XXL (2210.02303, Section 2.1).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import AutoConfig, AutoTokenizer, T5EncoderModel
from transformers.utils import logging

from ivbench.errors import ConfigError, MissingFileError, NonFiniteError
from ivbench.text.encoder import TextEmbeddings, masked_mean
from ivbench.zoo import folder_digest

__all__ = ["T5TextEncoder"]

_HUB_FILES = ["*.json", "spiece.model", "*.safetensors"]
_LONGEST_BY_DEFAULT = 128


class T5TextEncoder:
    """A frozen T5 encoder; see `ivbench.text.TextEncoder`.

    Weights are read from safetensors only and computed with in float32. Every prompt is padded to `max_length`, so that
    its embedding does not depend on the other prompts of the call.
    """

    def __init__(
        self,
        source: str | Path,
        *,
        max_length: int | None = None,
        batch_size: int = 64,
        device: str = "cpu",
        revision: str | None = None,
    ) -> None:
        """Load tokenizer and weights.

        Args:
            source: a local folder, or a hub id ("google/t5-v1_1-small").
            max_length: tokens a prompt; by default the tokenizer's own limit, at most 128.
            batch_size: prompts a forward pass.
            device: a torch device.
            revision: the hub's commit or branch; refused for a folder.

        Raises:
            MissingFileError: no such folder, or the hub id cannot be fetched, or it has no safetensors.
            ConfigError: the folder is not a T5, or a setting is out of range.
            NonFiniteError: NaN or infinity in the weights.
        """
        self.folder = _locate(source, revision)
        self.name = Path(source).name
        self.device = torch.device(device)
        self.digest = folder_digest(self.folder)
        self._tokenizer = _load(AutoTokenizer, self.folder)
        self._model = _load_model(self.folder).to(self.device)
        self.dim = int(self._model.config.d_model)
        self.max_length = _length(max_length, self._tokenizer.model_max_length)
        if batch_size < 1:
            raise ConfigError(f"batch_size is {batch_size}, allowed: 1 or more. Leave it out for 64.")
        self.batch_size = batch_size

    def encode(self, prompts: list[str]) -> TextEmbeddings:
        """The embeddings of the prompts.

        Args:
            prompts: N texts of any length and content; "" is allowed.

        Returns:
            tokens [N, L, D], mask [N, L], pooled [N, D], and how many prompts were truncated.
        """
        ids, mask, truncated = self._tokenize(prompts)
        tokens = np.zeros((*ids.shape, self.dim), np.float32)
        for start in range(0, len(prompts), self.batch_size):
            block = slice(start, start + self.batch_size)
            tokens[block] = self._forward(ids[block], mask[block])
        tokens[~mask] = 0.0
        return TextEmbeddings(tokens, mask, masked_mean(tokens, mask), truncated)

    def _tokenize(self, prompts: list[str]) -> tuple[np.ndarray, np.ndarray, int]:
        end, pad = self._tokenizer.eos_token_id, self._tokenizer.pad_token_id
        ids = np.full((len(prompts), self.max_length), pad, np.int64)
        mask = np.zeros(ids.shape, bool)
        truncated = 0
        for row, prompt in enumerate(prompts):
            found = self._tokenizer(prompt, add_special_tokens=True, truncation=False, verbose=False)["input_ids"]
            if len(found) > self.max_length:
                truncated += 1
                found = [*found[: self.max_length - 1], end]
            ids[row, : len(found)] = found
            mask[row, : len(found)] = True
        return ids, mask, truncated

    @torch.inference_mode()
    def _forward(self, ids: np.ndarray, mask: np.ndarray) -> np.ndarray:
        given = torch.from_numpy(ids).to(self.device)
        attended = torch.from_numpy(mask).to(self.device)
        hidden = self._model(input_ids=given, attention_mask=attended.long()).last_hidden_state
        found: np.ndarray = hidden.float().cpu().numpy()
        return found


def _locate(source: str | Path, revision: str | None) -> Path:
    folder = Path(source)
    if folder.is_dir():
        if revision is not None:
            raise ConfigError(
                f'revision "{revision}" was given for the folder {folder}. Leave it out, or name a hub id.'
            )
        return folder
    if isinstance(source, Path) or source.count("/") > 1 or source.startswith((".", "/", os.sep)):
        raise MissingFileError(f"the text encoder's folder {source} does not exist. Name a folder or a hub id.")
    return _fetch(source, revision)


def _fetch(hub_id: str, revision: str | None) -> Path:
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(hub_id, revision=revision, allow_patterns=_HUB_FILES))
    except Exception as error:
        reason = str(error).strip().split("\n")[0] or type(error).__name__
        raise MissingFileError(
            f'the text encoder "{hub_id}" is no folder here and cannot be fetched from the hub ({reason}). '
            "Check the name and the network, or download it and give its folder."
        ) from error


def _load(loader: Any, folder: Path, **options: Any) -> Any:
    try:
        with _quiet():
            return loader.from_pretrained(str(folder), local_files_only=True, **options)
    except Exception as error:
        reason = str(error).strip().split("\n")[0] or type(error).__name__
        raise ConfigError(
            f"{folder} cannot be read as a T5 text encoder ({reason}). "
            "It needs a T5 config.json, a tokenizer and *.safetensors."
        ) from error


@contextmanager
def _quiet() -> Iterator[None]:
    """No progress bar and no list of the decoder's unused weights while a checkpoint is read."""
    verbosity, bar = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bar:
            logging.enable_progress_bar()


def _load_model(folder: Path) -> T5EncoderModel:
    config = _load(AutoConfig, folder)
    if config.model_type != "t5":
        raise ConfigError(f'{folder} holds a "{config.model_type}" model, allowed: "t5". Give a T5 encoder.')
    model, report = _load(T5EncoderModel, folder, config=config, use_safetensors=True, output_loading_info=True)
    missing = sorted(report["missing_keys"])
    if missing:
        raise ConfigError(
            f"{folder} lacks {len(missing)} of the encoder's weights ({missing[0]}). Give a whole checkpoint."
        )
    for name, weight in model.named_parameters():
        if not torch.isfinite(weight).all():
            raise NonFiniteError(f'NaN or infinity in "{name}" of the text encoder {folder}. Give sound weights.')
    return model.float().eval().requires_grad_(False)


def _length(asked: int | None, own: int) -> int:
    if asked is None:
        return min(int(own), _LONGEST_BY_DEFAULT)
    if asked < 2:
        raise ConfigError(f"max_length is {asked}, allowed: 2 or more (one word and the end token).")
    return asked
