"""The framework-free part of the recipe: tokenizer, corruption, probe, validation."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ivbench.config.yaml import read_yaml
from ivbench.data.shapes.captions import vocabulary_captions
from ivbench.errors import ConfigError
from ivbench.train.text_encoder import (
    SENTINELS,
    CorruptionSection,
    build_tokenizer,
    corrupt_spans,
    probe_accuracies,
    train_text_encoder,
)

RECIPE = Path(__file__).parents[3] / "zoo" / "recipes" / "t5-mini.yaml"
_SENTINEL_IDS = list(range(100, 110))
_END = 1


def _ranges(rate: float, span: float) -> CorruptionSection:
    return CorruptionSection(rate=(rate, rate), mean_span=(span, span))


def _restore(read: list[int], write: list[int]) -> list[int]:
    """Put the target's spans back into the input."""
    spans: dict[int, list[int]] = {}
    for token in write[:-1]:
        if token in _SENTINEL_IDS:
            spans[token] = []
        else:
            spans[max(spans)].append(token)
    return [word for token in read[:-1] for word in spans.get(token, [token])]


@pytest.mark.parametrize("length", [2, 6, 11, 24])
@pytest.mark.parametrize("span", [1.0, 2.5])
def test_corruption_loses_no_word_and_masks_the_asked_share(length: int, span: float) -> None:
    words = list(range(10, 10 + length))
    for seed in range(20):
        rng = np.random.default_rng(seed)
        read, write = corrupt_spans(words, _SENTINEL_IDS, _END, _ranges(0.3, span), rng)
        assert read[-1] == write[-1] == _END
        assert _restore(read, write) == words
        assert sum(token in words for token in write) == max(1, round(0.3 * length))


def test_corruption_never_lets_spans_touch() -> None:
    for seed in range(50):
        rng = np.random.default_rng(seed)
        read, _ = corrupt_spans(list(range(10, 20)), _SENTINEL_IDS, _END, _ranges(0.5, 1.0), rng)
        marked = [token in _SENTINEL_IDS for token in read]
        assert not any(left and right for left, right in itertools.pairwise(marked))


def test_corruption_can_mask_every_position() -> None:
    masked = set()
    for seed in range(200):
        _, write = corrupt_spans([10, 11, 12, 13], _SENTINEL_IDS, _END, _ranges(0.25, 1.0), np.random.default_rng(seed))
        masked |= set(write) & {10, 11, 12, 13}
    assert masked == {10, 11, 12, 13}


def test_corruption_repeats_with_its_seed() -> None:
    words, ranges = list(range(10, 26)), _ranges(0.3, 2.0)
    first, second = (corrupt_spans(words, _SENTINEL_IDS, _END, ranges, np.random.default_rng(7)) for _ in range(2))
    assert first == second


def test_tokenizer_knows_every_word_of_the_domain_and_round_trips() -> None:
    texts = vocabulary_captions()[::500]
    tokenizer = build_tokenizer(vocabulary_captions())
    unknown = tokenizer.token_to_id("<unk>")
    for text in texts:
        found = tokenizer.encode(text)
        assert unknown not in found.ids
        assert found.tokens[-1] == "</s>"
        assert "".join(found.tokens[:-1]) == text.replace(" ", "")


def test_tokenizer_folds_case_and_keeps_the_sentinels_whole() -> None:
    tokenizer = build_tokenizer(["a red circle"])
    assert tokenizer.encode("A RED Circle").ids == tokenizer.encode("a red circle").ids
    assert [tokenizer.encode(name).tokens for name in SENTINELS] == [[name, "</s>"] for name in SENTINELS]


def test_probe_is_perfect_on_word_counts_and_at_chance_on_noise() -> None:
    tokenizer = build_tokenizer(vocabulary_captions())

    def counts(texts: list[str]) -> Any:
        return np.stack([np.bincount(tokenizer.encode(text).ids, minlength=70) for text in texts]).astype(np.float32)

    def noise(texts: list[str]) -> Any:
        return np.random.default_rng(0).normal(size=(len(texts), 8)).astype(np.float32)

    assert set(probe_accuracies(counts, stride=7).values()) == {1.0}
    assert probe_accuracies(noise, stride=7)["motion"] < 0.3


def test_a_misspelt_key_of_a_recipe_is_named(tmp_path: Path) -> None:
    recipe = read_yaml(RECIPE)
    recipe["training"]["step"] = recipe["training"].pop("steps")
    with pytest.raises(ConfigError, match=r'"training\.step".*Did you mean "steps"'):
        train_text_encoder(recipe, tmp_path)


@pytest.mark.parametrize(("key", "value"), [("rate", [0.0, 0.3]), ("rate", [0.4, 0.3]), ("mean_span", [0.5, 1.0])])
def test_corruption_out_of_range_is_refused(tmp_path: Path, key: str, value: list[float]) -> None:
    recipe = read_yaml(RECIPE)
    recipe["corruption"][key] = value
    with pytest.raises(ConfigError, match=f"corruption.{key}.*allowed"):
        train_text_encoder(recipe, tmp_path)
