"""The CLIP probes' tokenizer: the words of the shapes domain, in the form of a Hugging Face folder."""

from __future__ import annotations

import re
from typing import Any

from ivbench.data.shapes.captions import vocabulary_captions

__all__ = ["build_tokenizer"]


def build_tokenizer(context: int, special: tuple[str, ...], end: str) -> Any:
    """A word-level tokenizer of the domain's captions: start, words, end.

    The end token has the highest id, because CLIP's text tower reads its answer where the id is highest.

    Args:
        context: tokens a caption, start and end included.
        special: the padding, unknown and start tokens, ids 0, 1 and 2.
        end: the end token.

    Returns:
        A `transformers.PreTrainedTokenizerFast`.
    """
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    pad, unknown, start = special
    words = sorted({word for text in vocabulary_captions() for word in re.findall(r"\w+|[^\w\s]+", text.lower())})
    vocabulary = {token: i for i, token in enumerate([*special, *words, end])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token=unknown))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{start} $A {end}", special_tokens=[(start, vocabulary[start]), (end, vocabulary[end])]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=pad,
        unk_token=unknown,
        bos_token=start,
        eos_token=end,
        model_max_length=context,
        clean_up_tokenization_spaces=False,
    )
