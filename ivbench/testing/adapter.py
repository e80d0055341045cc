"""`check_adapter`: whether an adapter keeps the contract that the sampling loop builds on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ivbench import registry
from ivbench.adapters import Generator, is_door, loaded, open_door
from ivbench.cascade import StageModel
from ivbench.errors import ConfigError, IvbenchError
from ivbench.spec import StageSpec
from ivbench.spec.cascade import TextSpec
from ivbench.testing.generator import generator_problems
from ivbench.text import TextEmbeddings
from ivbench.zoo import Card, read_card

__all__ = ["AdapterError", "check_adapter"]

Floats = NDArray[np.float32]

_BATCH = 3
_TOLERANCE = 1e-3
"""Largest difference, in units of the prediction's standard deviation, that counts as rounding."""


class AdapterError(ConfigError):
    """An adapter breaks its contract; lists every point."""

    def __init__(self, adapter: str, problems: list[str]) -> None:
        self.problems = tuple(problems)
        super().__init__(f'the adapter "{adapter}" breaks its contract: {"; ".join(problems)}.')


def check_adapter(cascade: str | Path | Card | Generator, device: str = "cpu", zoo: Path | None = None) -> None:
    """Open a cascade or a generator through its adapter and put it to the test.

    Of a generator: videos have the shape and type that were asked for; a video is the same twice, and the same alone
    and in a batch; seed, prompt, steps, guidance and negative prompt, as far as it exposes them, each change it. Of
    videos that were sampled already: likewise, but for the seed, on the first two of their prompts.

    Of each stage of a cascade, on random input: predictions have the video's shape, are finite at the least, the middle
    and the greatest log SNR, are the same twice and the same alone and in a batch; inputs are left as they were; text,
    log SNR and the conditioning video each change the prediction; `pair` is the conditional and the unconditional
    prediction; the model is loaded once. Of the text encoder: width and length are those of cascade.yaml.

    Args:
        cascade: a card, or the folder of one; or a generator, or the name that it is opened by.
        device: where it runs.
        zoo: where its text encoder is looked up; None: `ivbench.zoo.find_zoo()`.

    Raises:
        AdapterError: lists what is broken.
        IvbenchError: the card is wrong, or its files are not what it says.
    """
    if isinstance(cascade, str) and is_door(cascade):
        cascade = open_door(cascade, device)
    if not isinstance(cascade, str | Path | Card):
        _raise_if(list(generator_problems(loaded(cascade))), cascade.spec.name)
        return
    card = cascade if isinstance(cascade, Card) else read_card(Path(cascade))
    opened = registry.load("adapter", card.config.adapter)(card, device, zoo)
    problems = []
    for stage in opened.spec.stages:
        model = opened.stage_model(stage.name)
        if opened.stage_model(stage.name) is not model:
            problems.append(f"stage {stage.name}: stage_model loads the network anew at each call")
        problems += [f"stage {stage.name}: {problem}" for problem in _stage_problems(model, stage, opened.spec.text)]
    problems += _text_problems(opened)
    _raise_if(problems, card.config.adapter)


def _raise_if(problems: list[str], adapter: str) -> None:
    if problems:
        raise AdapterError(adapter, problems)


def _text_problems(opened: Any) -> Iterator[str]:
    spec, encoder = opened.spec.text, opened.text_encoder()
    found = encoder.encode(["a red circle", "a blue square that moves left"])
    if found.tokens.shape != (2, spec.length, spec.dim):
        said = [2, spec.length, spec.dim]
        yield f"the text encoder gives tokens {list(found.tokens.shape)}, cascade.yaml says {said}"
    elif np.array_equal(found.tokens[0], found.tokens[1]):
        yield "the text encoder gives two prompts the same tokens"


class _Inputs:
    """Random inputs of a batch."""

    def __init__(self, stage: StageSpec, text: TextSpec) -> None:
        rng = np.random.default_rng(0)
        shape = (_BATCH, *stage.shape)
        self.z = rng.standard_normal(shape).astype(np.float32)
        tokens = rng.standard_normal((_BATCH, text.length, text.dim)).astype(np.float32)
        self.text = TextEmbeddings(tokens, np.ones(tokens.shape[:2], bool), tokens.mean(1), 0)
        self.low: Floats | None = None
        if stage.kind != "base":
            self.low = rng.uniform(-1, 1, shape).astype(np.float32)
        self.level = 1.0 if self.low is not None and stage.augmentation else None

    def rows(self, rows: slice) -> _Inputs:
        """Some of the batch."""
        part = object.__new__(_Inputs)
        part.z, part.level = self.z[rows], self.level
        part.text = TextEmbeddings(self.text.tokens[rows], self.text.mask[rows], self.text.pooled[rows], 0)
        part.low = None if self.low is None else self.low[rows]
        return part


def _stage_problems(model: StageModel, stage: StageSpec, text: TextSpec) -> Iterator[str]:
    inputs = _Inputs(stage, text)
    try:
        at = {logsnr: _predict(model, inputs, logsnr) for logsnr in (stage.logsnr_min, 0.0, stage.logsnr_max)}
    except IvbenchError as error:
        yield str(error).rstrip(".")
        return
    for logsnr, found in at.items():
        if found.shape != inputs.z.shape:
            yield f"a prediction is {list(found.shape)} for videos of {list(inputs.z.shape)}"
            return
        if not np.isfinite(found).all():
            yield f"a prediction is NaN or infinite at log SNR {logsnr:g}"
            return
    yield from _depends(model, inputs, at[0.0], at[stage.logsnr_min])


def _depends(model: StageModel, inputs: _Inputs, middle: Floats, noisy: Floats) -> Iterator[str]:
    scale = float(middle.std()) or 1.0

    def same(a: Floats, b: Floats) -> bool:
        return float(np.abs(a - b).max()) <= _TOLERANCE * scale

    before = [inputs.z.copy(), inputs.text.tokens.copy(), None if inputs.low is None else inputs.low.copy()]
    if not same(_predict(model, inputs, 0.0), middle):
        yield "the same input gives another prediction the second time"
    after = [inputs.z, inputs.text.tokens, inputs.low]
    if any(a is not None and b is not None and not np.array_equal(a, b) for a, b in zip(before, after, strict=True)):
        yield "it writes into its inputs"
    if not same(_predict(model, inputs.rows(slice(1, 2)), 0.0), middle[1:2]):
        yield "a video's prediction depends on the others of its batch"
    if same(noisy, middle):
        yield "the log SNR changes nothing"
    evaluator = model.evaluator(inputs.text, inputs.low, inputs.level)
    both = [model.to_numpy(part) for part in evaluator.pair(model.to_backend(inputs.z), 0.0)]
    if not same(both[0], middle):
        yield "pair gives another conditional prediction than conditional"
    if same(both[1], middle):
        yield "the text changes nothing"
    if inputs.low is not None and same(_changed(model, inputs), middle):
        yield "the conditioning video changes nothing"


def _changed(model: StageModel, inputs: _Inputs) -> Floats:
    assert inputs.low is not None
    other = inputs.rows(slice(None))
    other.low = -inputs.low
    return _predict(model, other, 0.0)


def _predict(model: StageModel, inputs: _Inputs, logsnr: float) -> Floats:
    evaluator = model.evaluator(inputs.text, inputs.low, inputs.level)
    return model.to_numpy(evaluator.conditional(model.to_backend(inputs.z), logsnr))
