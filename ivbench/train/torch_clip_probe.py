"""The CLIP probe in training: a small open_clip model, its tokenizer, and its contrastive loss."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import open_clip
import torch
from torch import Tensor, nn
from torch.nn import functional

from ivbench.extractors.heads import FRAME_HEADS
from ivbench.extractors.torch_probe_nets import FEATURES, ProbeHeads, frames_to_input
from ivbench.train.clip_tokenizer import build_tokenizer
from ivbench.train.probes import Examples, ProbeRecipe

__all__ = ["ClipProbeNet"]

_IMAGE_SIZE = 64
_CONTEXT = 24
_HEAD = 32
_HEADS_WEIGHT = 1.0
_SPREAD = 8.0
_SPECIAL = ("<pad>", "<unk>", "<start>")
_END = "<end>"


class ClipProbeNet(nn.Module):
    """A CLIP model and, in training only, linear heads that read the attributes off both embeddings.

    The heads' cross-entropy is added to the contrastive loss: it makes the small towers learn in minutes.
    """

    def __init__(self, recipe: ProbeRecipe, folder: Path) -> None:
        """Build both towers from nothing and write the folder's configuration and tokenizer.

        Args:
            recipe: sizes.
            folder: the probe's folder; its weights are written by others.
        """
        super().__init__()
        folder.mkdir(parents=True, exist_ok=True)
        tokenizer = build_tokenizer(_CONTEXT, _SPECIAL, _END)
        tokenizer.save_pretrained(str(folder))
        config = _config(recipe, len(tokenizer))
        (folder / "open_clip_config.json").write_text(json.dumps(config, indent=1) + "\n")
        self.clip = open_clip.CLIP(**config["model_cfg"])
        self.image_heads = ProbeHeads(FRAME_HEADS)
        self.text_heads = ProbeHeads(FRAME_HEADS)
        self._tokenize = open_clip.get_tokenizer(f"local-dir:{folder}")

    def loss(self, examples: Examples) -> Tensor:
        """Symmetric contrastive loss with shared answers, and the heads' cross-entropy.

        A frame fits every caption of the batch that says its attributes and its motion, or no motion at all; a spoilt
        frame fits none, so all captions alike, and is no caption's answer.

        Source: Radford et al. 2021 (2103.00020), Figure 3, with soft targets for repeated captions.
        """
        x = frames_to_input(torch.from_numpy(examples.videos[:, 0]), (_IMAGE_SIZE, _IMAGE_SIZE))
        images, texts, scale = self.clip(x, self._tokenize(examples.captions))
        logits = scale * images @ texts.T
        fits = _fits(examples)
        whole = torch.from_numpy(examples.whole)
        by_image = _soft_cross_entropy(logits, torch.where(whole[:, None], fits, torch.ones_like(fits)))
        by_text = _soft_cross_entropy(logits.T[whole], (fits * whole[:, None]).T[whole])
        return 0.5 * (by_image + by_text) + _HEADS_WEIGHT * self._heads_loss(images, texts, examples)

    def _heads_loss(self, images: Tensor, texts: Tensor, examples: Examples) -> Tensor:
        """Mean cross-entropy of all heads; a caption's answers are its words, whatever became of its frame."""
        terms = []
        shown, said = self.image_heads(_SPREAD * images), self.text_heads(_SPREAD * texts)
        for name in FRAME_HEADS:
            seen = torch.from_numpy(examples.labels[name])
            terms.append(functional.cross_entropy(shown[name], seen, ignore_index=-1))
            terms.append(functional.cross_entropy(said[name], torch.from_numpy(examples.said[name])))
        return torch.stack(terms).mean()


def _fits(examples: Examples) -> Tensor:
    keys, motions = torch.from_numpy(examples.keys), torch.from_numpy(examples.motions)
    same = keys[:, None] == keys
    silent = (motions < 0)[:, None] | (motions < 0)
    return (same & (silent | (motions[:, None] == motions))).float()


def _soft_cross_entropy(logits: Tensor, fits: Tensor) -> Tensor:
    return functional.cross_entropy(logits, fits / fits.sum(1, keepdim=True))


def _config(recipe: ProbeRecipe, vocabulary: int) -> dict[str, Any]:
    width, layers, text_width, text_layers = recipe.widths
    return {
        "model_cfg": {
            "embed_dim": FEATURES,
            "vision_cfg": {
                "image_size": _IMAGE_SIZE,
                "width": width,
                "layers": [layers] * 4,
                "head_width": _HEAD,
            },
            "text_cfg": {
                "context_length": _CONTEXT,
                "vocab_size": vocabulary,
                "hf_tokenizer_name": "local",
                "width": text_width,
                "heads": text_width // _HEAD,
                "layers": text_layers,
                "mlp_ratio": 2.0,
            },
        },
        "preprocess_cfg": {
            "mean": [0.5, 0.5, 0.5],
            "std": [0.5, 0.5, 0.5],
            "interpolation": "bilinear",
            "resize_mode": "squash",
        },
    }
