"""Whether the backends agree on a cascade: one evaluation of each stage, a whole guided run, and its CLIP score.

Both read the same weights file, the same text embeddings and the same noise, so that only the arithmetic differs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ivbench.adapters import open_cascade, open_text_encoder
from ivbench.cascade import StageModel, StageSettings, conditioning_video, sample_stage
from ivbench.cascade.stage import stage_schedule
from ivbench.config import Settings, StageSampling
from ivbench.config.suite import PromptsConfig
from ivbench.data.prompts import load_prompts, prompt_digest
from ivbench.data.shapes.render import to_uint8
from ivbench.diffusion.noise import NoiseKey, normal_batch
from ivbench.diffusion.parameterization import diffuse
from ivbench.errors import ConfigError
from ivbench.extractors import ImageTextExtractor
from ivbench.metrics.clip_score import clip_scores
from ivbench.metrics.intervals import bootstrap_interval
from ivbench.plan import Execution, cascade_source, resolve, torch_device
from ivbench.results.parity import Check, Parity
from ivbench.results.schema import Environment
from ivbench.run.environment import describe_environment
from ivbench.run.models import Models
from ivbench.run.progress import Reporter
from ivbench.run.sampling import settings_of
from ivbench.spec import CascadeSpec, StageSpec
from ivbench.text import TextEmbeddings

__all__ = ["BACKENDS", "measure_parity"]

BACKENDS = ("torch", "jax")
_EVALUATION = {"float32": 2e-4, "bfloat16": 0.1}
_CASCADE = {"float32": 2e-2, "bfloat16": 0.2}
"""Largest difference allowed, in the range of a video [-1, 1]; bfloat16 has 8 bits of mantissa for float32's 24."""
_TIMES = (0.9, 0.5, 0.1)
_PERCENTILE = 99.9

Floats = NDArray[np.float32]


def measure_parity(models: Models, reporter: Reporter, prompts: int, steps: int, w: float, extractor: str) -> Parity:
    """Run a cascade in PyTorch and in JAX, and compare.

    Args:
        models: the cascade, its device and dtype, and where extractors are looked up.
        reporter: told of progress.
        prompts: how many of the shapes domain's test prompts.
        steps: of DDIM, in stages that are not distilled to a number of their own.
        w: guidance weight; a distilled stage gets the nearest that it takes.
        extractor: name of an image-text extractor.

    Raises:
        ConfigError: the extractor embeds no text, or the cascade does not run on both backends.
        IvbenchError: a network cannot be loaded.
    """
    judge = models.extractor(extractor)
    if not isinstance(judge, ImageTextExtractor):
        raise ConfigError(f'"{extractor}" embeds no text. Name an image-text extractor: clip-probe.')
    source = cascade_source(models.card, models.zoo)
    texts = load_prompts(PromptsConfig(source="shapes:test", count=prompts))
    text = open_text_encoder(source.spec.text, torch_device(models.device), models.zoo).encode(list(texts))
    samplings = _samplings(source.spec, source.sampling, steps, w)
    runs = {backend: _Run(models, backend, source.spec, text, texts) for backend in BACKENDS}
    phase = reporter.phase("parity", 2 * len(source.spec.stages))
    checks: list[Check] = []
    for stage, sampling in zip(source.spec.stages, samplings, strict=True):
        for run in runs.values():
            run.sample(stage, settings_of(sampling, stage.name))
            phase.advance(1)
        checks += _stage_checks(stage, runs["torch"], runs["jax"], models.dtype)
    scores = {backend: _scores(judge, run.low, texts) for backend, run in runs.items()}
    return Parity(
        cascade=source.spec.name,
        digest=source.digest,
        dtype=models.dtype,
        steps={stage.name: one.num_steps for stage, one in zip(source.spec.stages, samplings, strict=True)},
        guidance={stage.name: one.guidance.label for stage, one in zip(source.spec.stages, samplings, strict=True)},
        prompts=texts,
        clip_score={backend: float(values.mean()) for backend, values in scores.items()},
        environment=_environment(models).model_dump(mode="json"),
        checks=(*checks, _score_check(source.spec.stages[-1], extractor, scores)),
    )


class _Run:
    """A cascade on one backend, stage after stage."""

    def __init__(
        self, models: Models, backend: str, spec: CascadeSpec, text: TextEmbeddings, prompts: Sequence[str]
    ) -> None:
        self._cascade = open_cascade(models.card, models.device, models.zoo, backend, models.dtype)
        self._text, self._spec = text, spec
        self._keys = [NoiseKey(0, prompt_digest(prompt)) for prompt in prompts]
        self.low: Any = None
        self.before: Any = None

    def sample(self, stage: StageSpec, settings: StageSettings) -> None:
        """Go on to the next stage: `low` becomes its output, `before` what it started from."""
        self.before = self.low
        self.low = sample_stage(self.model(stage), settings, self._text, self._keys, self.before)

    def model(self, stage: StageSpec) -> StageModel:
        """A stage's network."""
        return self._cascade.stage_model(stage.name)

    def evaluate(self, stage: StageSpec, z: Floats, logsnr: float, low: Floats | None) -> Floats:
        """Predictions for the same inputs on every backend: [K B, T, H, W, C], of text, and of none where guided."""
        model = self.model(stage)
        video = None if low is None else conditioning_video(low, stage)
        evaluator: Any = model.evaluator(self._text, video, 2.0 if stage.unet.augmentation else None)
        there = model.to_backend(z)
        if stage.distilled is not None:
            low_w = (stage.distilled.guidance or (0.0, 0.0))[0]
            return model.to_numpy(evaluator.distilled(there, logsnr, low_w, 1))
        return np.concatenate([model.to_numpy(part) for part in evaluator.pair(there, logsnr)])

    def noisy(self, stage: StageSpec, logsnr: float) -> Floats:
        """This run's own samples of a stage, noised."""
        noise = normal_batch([key.at("augment", 1) for key in self._keys], stage.shape)
        z: Floats = diffuse(self.low, noise, logsnr)
        return z


def _stage_checks(stage: StageSpec, first: _Run, second: _Run, dtype: str) -> list[Check]:
    """One evaluation at several log SNR from the first run's samples; then the runs' own samples of the stage."""
    one: list[float] = []
    for time in _TIMES:
        logsnr = stage_schedule(stage).logsnr(time)
        z = first.noisy(stage, logsnr)
        here, there = (run.evaluate(stage, z, logsnr, first.before) for run in (first, second))
        one.append(float(abs(here - there).max()))
    whole = abs(first.low - second.low)
    return [
        Check(stage=stage.name, what="one evaluation, largest difference", found=max(one), high=_EVALUATION[dtype]),
        Check(
            stage=stage.name,
            what=f"whole run, {_PERCENTILE:g}th percentile",
            found=float(np.percentile(whole, _PERCENTILE)),
            maximum=float(whole.max()),
            high=_CASCADE[dtype],
        ),
    ]


def _samplings(spec: CascadeSpec, card: Settings, steps: int, w: float) -> tuple[StageSampling, ...]:
    """DDIM at weight w; a distilled stage keeps its own sampler and steps, and a weight that it takes."""
    own: dict[str, Any] = {"steps": {"default": steps}, "sampler": {"default": "ddim"}, "guidance": {"default": w}}
    for stage in spec.stages:
        if stage.distilled is not None:
            low, high = stage.distilled.guidance or (0.0, 0.0)
            own["guidance"][stage.name] = min(max(w, low), high)
            if stage.distilled.steps is not None:
                own["steps"][stage.name] = stage.distilled.steps
                own["sampler"][stage.name] = stage.distilled.samplers[0]
    cards: Mapping[str, Sequence[Settings]] = {stage.name: [card] for stage in spec.stages}
    return resolve([Settings.model_validate(own)], spec, cards)


def _scores(judge: ImageTextExtractor, videos: Floats, prompts: Sequence[str]) -> NDArray[np.float64]:
    """[P] CLIP score of each prompt's video."""
    return clip_scores(judge.extract(to_uint8(videos)), judge.embed_text(list(prompts)))


def _score_check(stage: StageSpec, extractor: str, scores: Mapping[str, NDArray[np.float64]]) -> Check:
    """JAX's score must lie in the interval of PyTorch's."""
    interval = bootstrap_interval(scores["torch"])
    if interval is None:
        raise ConfigError("a CLIP score of one prompt has no interval. Ask for 2 prompts or more.")
    return Check(
        stage=stage.name,
        what=f"CLIP score [{extractor}], in the interval of PyTorch's",
        found=float(scores["jax"].mean()),
        low=interval.low,
        high=interval.high,
    )


def _environment(models: Models) -> Environment:
    return describe_environment(Execution(backend="jax", device=models.device.partition(":")[0], dtype=models.dtype))
