"""The span-corruption training loop of a small T5, in PyTorch."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from transformers import PreTrainedTokenizerFast, T5Config, T5EncoderModel, T5ForConditionalGeneration

from ivbench.data.shapes.captions import vocabulary_captions
from ivbench.errors import ConfigError, NonFiniteError
from ivbench.train.text_encoder import SENTINELS, build_tokenizer, corrupt_spans

if TYPE_CHECKING:
    from ivbench.train.text_encoder import TextEncoderRecipe

__all__ = ["pretrain"]

_IGNORED = -100
_LAST_LOSSES = 100


def pretrain(recipe: TextEncoderRecipe, out: Path, progress: Callable[[str], None]) -> dict[str, Any]:
    """Train encoder and decoder on span corruption; write the encoder (float16 safetensors) and its tokenizer.

    Args:
        recipe: sizes, corruption, steps, seed.
        out: the folder to be written.
        progress: takes one line at a time.

    Returns:
        Facts for the card: steps, batch, captions seen, loss (nats a target token, mean of the last 100 steps),
        seconds, threads, parameters, torch version.

    Raises:
        ConfigError: a caption does not fit into `max_length`.
        NonFiniteError: the loss became NaN or infinite.
    """
    captions = vocabulary_captions()
    tokenizer = _tokenizer(captions, recipe.max_length)
    words = [tokenizer.encode(text, add_special_tokens=False) for text in captions]
    longest = 1 + max(map(len, words))
    if longest > recipe.max_length:
        raise ConfigError(f"max_length is {recipe.max_length}, the longest caption has {longest} tokens. Raise it.")
    torch.manual_seed(recipe.seed)
    model = T5ForConditionalGeneration(_config(recipe, len(tokenizer)))
    torch.nn.init.normal_(model.lm_head.weight, std=recipe.model.d_model**-0.5)  # logits of order 1 at the start
    began = time.perf_counter()
    losses = _train(model, words, tokenizer, recipe, progress)
    seconds = time.perf_counter() - began
    parameters = _save(model, tokenizer, out)
    return {
        "steps": recipe.training.steps,
        "batch": recipe.training.batch,
        "captions_seen": recipe.training.steps * recipe.training.batch,
        "loss": round(float(np.mean(losses[-_LAST_LOSSES:])), 4),
        "seconds": round(seconds, 1),
        "threads": torch.get_num_threads(),
        "parameters": parameters,
        "torch": str(torch.__version__),
    }


def _tokenizer(captions: list[str], max_length: int) -> Any:
    return PreTrainedTokenizerFast(
        tokenizer_object=build_tokenizer(captions),
        pad_token="<pad>",
        eos_token="</s>",
        unk_token="<unk>",
        additional_special_tokens=list(SENTINELS),
        model_max_length=max_length,
        clean_up_tokenization_spaces=False,
    )


def _config(recipe: TextEncoderRecipe, vocabulary: int) -> Any:
    return T5Config(
        vocab_size=vocabulary,
        **recipe.model.model_dump(),
        num_decoder_layers=recipe.model.num_layers,
        feed_forward_proj="gated-gelu",
        tie_word_embeddings=False,
        dropout_rate=0.0,
        relative_attention_num_buckets=32,
        relative_attention_max_distance=32,
        pad_token_id=0,
        eos_token_id=1,
        decoder_start_token_id=0,
    )


def _train(
    model: Any, words: list[list[int]], tokenizer: Any, recipe: TextEncoderRecipe, progress: Callable[[str], None]
) -> list[float]:
    plan, rng = recipe.training, np.random.default_rng(recipe.seed)
    sentinels = tokenizer.convert_tokens_to_ids(list(SENTINELS))
    optimizer = torch.optim.AdamW(model.parameters(), lr=plan.learning_rate, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _rate(step, plan.warmup, plan.steps))
    losses: list[float] = []
    began = time.perf_counter()
    model.train()
    for step in range(1, plan.steps + 1):
        chosen = rng.integers(len(words), size=plan.batch)
        pairs = [corrupt_spans(words[k], sentinels, tokenizer.eos_token_id, recipe.corruption, rng) for k in chosen]
        losses.append(_update(model, optimizer, _batch(pairs)))
        schedule.step()
        if not math.isfinite(losses[-1]):
            raise NonFiniteError(f"the loss is {losses[-1]} at step {step}. Lower the learning rate.")
        if step % max(1, plan.steps // 20) == 0:
            left = (time.perf_counter() - began) / step * (plan.steps - step)
            progress(f"step {step}/{plan.steps}  loss {np.mean(losses[-_LAST_LOSSES:]):.4f}  {left:.0f} s left")
    return losses


def _rate(step: int, warmup: int, steps: int) -> float:
    """Share of the learning rate: linear warm-up, then a cosine to 0."""
    if step < warmup:
        return (step + 1) / warmup
    return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))


def _batch(pairs: list[tuple[list[int], list[int]]]) -> dict[str, torch.Tensor]:
    read, write = _padded([pair[0] for pair in pairs], 0), _padded([pair[1] for pair in pairs], _IGNORED)
    return {"input_ids": read, "attention_mask": (read != 0).long(), "labels": write}


def _padded(rows: list[list[int]], fill: int) -> torch.Tensor:
    table = np.full((len(rows), max(map(len, rows))), fill, np.int64)
    for index, row in enumerate(rows):
        table[index, : len(row)] = row
    return torch.from_numpy(table)


def _update(model: Any, optimizer: torch.optim.Optimizer, batch: dict[str, torch.Tensor]) -> float:
    loss = model(**batch).loss
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    return float(loss.detach())


def _save(model: Any, tokenizer: Any, out: Path) -> int:
    encoder = T5EncoderModel(model.config)
    missing, _ = encoder.load_state_dict(model.state_dict(), strict=False)
    if missing:
        raise ConfigError(f"the trained model lacks {missing[0]} of the encoder. Check the transformers version.")
    out.mkdir(parents=True, exist_ok=True)
    encoder.half().save_pretrained(str(out), safe_serialization=True)
    tokenizer.save_pretrained(str(out))
    return sum(weight.numel() for weight in encoder.parameters())
