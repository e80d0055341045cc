"""Pre-training of a small T5 on the captions of the shapes domain: recipe, tokenizer, corruption, probe, card.

Everything here is framework-free but `train_text_encoder`, which imports PyTorch when it is called.
Source: span corruption, Raffel et al. 2020 (1910.10683), Section 3.3.4.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import yaml
from numpy.typing import NDArray
from pydantic import Field, field_validator

from ivbench.config.parse import Frozen, parse
from ivbench.config.yaml import read_yaml
from ivbench.data.shapes.attributes import STYLES, Attributes, combinations
from ivbench.data.shapes.captions import PHRASINGS, caption, vocabulary_captions
from ivbench.zoo import folder_digest

__all__ = [
    "SENTINELS",
    "TextEncoderRecipe",
    "build_tokenizer",
    "corrupt_spans",
    "probe_accuracies",
    "train_text_encoder",
]

SENTINELS = tuple(f"<extra_id_{k}>" for k in range(10))
_PAD, _END, _UNKNOWN = "<pad>", "</s>", "<unk>"
_PROBED = ("shape", "colour", "background", "motion", "size", "style")
_PROBE_PENALTY = 1e-3


class ModelSection(Frozen):
    """The sizes of a T5 v1.1 (gated GELU, untied output)."""

    d_model: int = Field(ge=8)
    d_kv: int = Field(ge=4)
    d_ff: int = Field(ge=8)
    num_layers: int = Field(ge=1)
    num_heads: int = Field(ge=1)


class CorruptionSection(Frozen):
    """Ranges from which each caption's corruption is drawn, uniformly."""

    rate: tuple[float, float] = Field(description="share of the words that is masked")
    mean_span: tuple[float, float] = Field(description="mean length of a masked span, words")

    @field_validator("rate")
    @classmethod
    def _share(cls, value: tuple[float, float]) -> tuple[float, float]:
        if not 0 < value[0] <= value[1] <= 0.5:
            raise ValueError(f"got {value}, allowed: 0 < low <= high <= 0.5")
        return value

    @field_validator("mean_span")
    @classmethod
    def _length(cls, value: tuple[float, float]) -> tuple[float, float]:
        if not 1 <= value[0] <= value[1]:
            raise ValueError(f"got {value}, allowed: 1 <= low <= high")
        return value


class TrainingSection(Frozen):
    """AdamW with linear warm-up and cosine decay to zero."""

    steps: int = Field(ge=1)
    batch: int = Field(ge=1)
    learning_rate: float = Field(gt=0)
    warmup: int = Field(ge=0)


class TextEncoderRecipe(Frozen):
    """A recipe of `kind: text-encoder`."""

    kind: Literal["text-encoder"]
    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    licence: str
    seed: int = Field(ge=0)
    model: ModelSection
    max_length: int = Field(ge=2, le=512)
    corruption: CorruptionSection
    training: TrainingSection


def train_text_encoder(recipe: Path | dict[str, Any], out: Path, progress: Callable[[str], None] = print) -> Path:
    """Pre-train a text encoder and write its folder: weights, configuration, tokenizer, card.

    Args:
        recipe: a YAML file, or what it holds.
        out: the folder to be written; made if it is not there.
        progress: takes one line of progress at a time.

    Returns:
        `out`.

    Raises:
        ConfigError: the recipe is wrong, or the longest caption does not fit into `max_length`.
    """
    where = str(recipe) if isinstance(recipe, Path) else "recipe"
    data = read_yaml(recipe) if isinstance(recipe, Path) else recipe
    resolved = parse(TextEncoderRecipe, data, where)
    from ivbench.text.torch_t5 import T5TextEncoder
    from ivbench.train.torch_text_encoder import pretrain

    facts = pretrain(resolved, out, progress)
    encoder = T5TextEncoder(out)
    accuracies = probe_accuracies(lambda prompts: encoder.encode(prompts).pooled)
    progress("linear probe, unseen combinations: " + ", ".join(f"{k} {v:.2%}" for k, v in accuracies.items()))
    card = _card(resolved, where, out, facts, accuracies)
    (out / "card.yaml").write_text(yaml.safe_dump(card, sort_keys=False, allow_unicode=True, width=120))
    return out


def build_tokenizer(texts: list[str]) -> Any:
    """A word-level tokenizer of the texts' lower-case words and punctuation, which appends the end token.

    Ids: <pad> 0, </s> 1, <unk> 2, the sentinels 3 to 12, then the words in alphabetical order.

    Args:
        texts: every word of these gets an id; any other word becomes <unk>.

    Returns:
        A `tokenizers.Tokenizer`.
    """
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

    words = sorted({word for text in texts for word in re.findall(r"\w+|[^\w\s]+", text.lower())})
    special = [_PAD, _END, _UNKNOWN, *SENTINELS]
    vocabulary = {token: index for index, token in enumerate([*special, *words])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token=_UNKNOWN))
    tokenizer.add_special_tokens(special)
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"$A {_END}", pair=f"$A {_END} $B {_END}", special_tokens=[(_END, vocabulary[_END])]
    )
    return tokenizer


def corrupt_spans(
    words: list[int], sentinels: list[int], end: int, recipe: CorruptionSection, rng: np.random.Generator
) -> tuple[list[int], list[int]]:
    """Mask random spans of a caption: what the encoder reads and what the decoder must write.

    Input: the words with span k replaced by sentinel k, then the end token.
    Target: sentinel 0, span 0, sentinel 1, span 1, ..., then the end token. Spans never touch one another.

    Args:
        words: the caption's ids without its end token, at least 2.
        sentinels: ids that mark the spans; no more spans than these are masked.
        end: id of the end token.
        recipe: the ranges of masked share and mean span length.
        rng: the source of randomness.

    Returns:
        (input ids, target ids).

    Source: Raffel et al. 2020 (1910.10683), Section 3.3.4 and Figure 2.
    """
    masked = max(1, round(len(words) * rng.uniform(*recipe.rate)))
    spans = round(masked / rng.uniform(*recipe.mean_span))
    spans = max(1, min(spans, masked, len(words) - masked + 1, len(sentinels)))
    lengths = _parts(masked - spans, spans, rng) + 1
    gaps = _parts(len(words) - masked - (spans - 1), spans + 1, rng)
    gaps[1:-1] += 1
    read: list[int] = []
    write: list[int] = []
    at = 0
    for k in range(spans):
        start = at + int(gaps[k])
        stop = start + int(lengths[k])
        read += [*words[at:start], sentinels[k]]
        write += [sentinels[k], *words[start:stop]]
        at = stop
    return [*read, *words[at:], end], [*write, end]


def _parts(total: int, parts: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """`total` split into `parts` counts >= 0, every split equally likely (stars and bars)."""
    bars = np.sort(rng.choice(total + parts - 1, parts - 1, replace=False))
    edges = np.concatenate([[-1], bars, [total + parts - 1]])
    return np.asarray(np.diff(edges) - 1, np.int64)


def probe_accuracies(embed: Callable[[list[str]], NDArray[np.float32]], stride: int = 1) -> dict[str, float]:
    """How well a linear map reads each attribute off the embeddings of combinations that it was not fitted on.

    Ridge regression on one-hot labels, W = (X'X + n p I)^-1 X'Y with p = 1e-3 on standardised features; fitted on the
    captions of the combinations of split `train`, measured on those of `held_out`, in every phrasing and style.

    Args:
        embed: texts to [N, D] float.
        stride: use every stride-th caption only; 1 = all, as cards do.

    Returns:
        Accuracy in [0, 1] by attribute.
    """
    fitted, measured = _probe_rows("train")[::stride], _probe_rows("held_out")[::stride]
    x = embed([text for text, _ in fitted]).astype(np.float64)
    seen = embed([text for text, _ in measured]).astype(np.float64)
    mean, scale = x.mean(axis=0), x.std(axis=0) + 1e-6
    x, seen = (x - mean) / scale, (seen - mean) / scale
    gram = x.T @ x / len(x) + _PROBE_PENALTY * np.eye(x.shape[1])
    found = {}
    for attribute in _PROBED:
        labels = np.array([getattr(row, attribute) for _, row in fitted])
        truth = np.array([getattr(row, attribute) for _, row in measured])
        values = np.unique(labels)
        one_hot = (labels[:, None] == values).astype(np.float64)
        weights = np.linalg.solve(gram, x.T @ (one_hot - one_hot.mean(axis=0)) / len(x))
        guess = values[(seen @ weights + one_hot.mean(axis=0)).argmax(axis=1)]
        found[attribute] = float((guess == truth).mean())
    return found


def _probe_rows(split: Literal["train", "held_out"]) -> list[tuple[str, Attributes]]:
    rows = [
        Attributes(row.shape, row.colour, row.background, row.motion, row.size, style)
        for row in combinations(split)
        for style in STYLES
    ]
    return [(caption(row, phrasing), row) for row in rows for phrasing in range(len(PHRASINGS))]


def _card(
    recipe: TextEncoderRecipe, where: str, out: Path, facts: dict[str, Any], accuracies: dict[str, float]
) -> dict[str, Any]:
    files = sorted(file for file in out.iterdir() if file.name != "card.yaml" and file.is_file())
    return {
        "name": recipe.name,
        "kind": "text-encoder",
        "encoder": "t5",
        "licence": recipe.licence,
        "summary": "A small T5 v1.1 encoder with the vocabulary of the shapes domain; frozen, float16 on disk.",
        "digest": folder_digest(out),
        "dim": recipe.model.d_model,
        "max_length": recipe.max_length,
        "recipe": Path(where).name,
        "data": f"the {len(vocabulary_captions())} captions of the shapes domain, videos and images of every style",
        "training": {"objective": "span corruption", "seed": recipe.seed, **facts},
        "probe": {
            "what": "linear probe on the pooled embedding; captions of held-out combinations, every phrasing and style",
            "accuracy": {name: round(value, 5) for name, value in accuracies.items()},
        },
        "limits": "Knows the domain's words only: any other word becomes <unk>.",
        "files": {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files},
    }
