"""Distillation of one student in PyTorch: its start, its targets, its loss."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from ivbench.cascade.stage import stage_schedule
from ivbench.diffusion import diffuse, to_x
from ivbench.diffusion.distillation import Lesson, halving_lesson, keeping_lesson, stochastic_lesson
from ivbench.nets.torch_layers import fourier
from ivbench.nets.torch_video_unet import TorchVideoUNet
from ivbench.spec import StageSpec
from ivbench.spec.parameters import FOURIER_DIM
from ivbench.train.distillation_recipe import DistillationRecipe, Phase
from ivbench.train.torch_examples import Example, Examples
from ivbench.train.torch_targets import lesson_target
from ivbench.train.torch_training import Fact, TorchTraining

__all__ = ["StudentTrainer", "Teacher"]

_OWN_BATCHES = 2**32
"""Each phase sees batches of its own: number phase * this + step."""


@dataclass(frozen=True)
class Teacher:
    """A stage with its weights, frozen.

    Attributes:
        stage: its spec.
        weights: float32 by flat name.
    """

    stage: StageSpec
    weights: Mapping[str, Tensor]

    @property
    def digest(self) -> str:
        """The sha256 over names and values."""
        found = hashlib.sha256()
        for name, value in sorted(self.weights.items()):
            found.update(name.encode())
            found.update(value.detach().cpu().contiguous().numpy().tobytes())
        return found.hexdigest()

    def of_ddim(self) -> Teacher:
        """A student of two samplers as that of DDIM alone: the embedding of a jump of one step moves into a bias."""
        distilled = self.stage.distilled
        if distilled is None or not self.stage.unet.jump_embedding:
            return self
        weights = dict(self.weights)
        weight, bias = weights.pop("embedding.jump.weight"), weights.pop("embedding.jump.bias")
        one = weight @ fourier(torch.ones(()), FOURIER_DIM) + bias
        weights["embedding.text.bias"] = weights["embedding.text.bias"] + one
        alone = distilled.model_copy(update={"samplers": ("ddim",)})
        unet = self.stage.unet.model_copy(update={"jump_embedding": False})
        return Teacher(self.stage.model_copy(update={"unet": unet, "distilled": alone}), weights)

    def net(self, device: torch.device) -> TorchVideoUNet:
        """The network, without gradients."""
        net = TorchVideoUNet(self.stage.unet)
        net.load_state_dict(dict(self.weights))
        return net.to(device).to(memory_format=torch.channels_last).eval().requires_grad_(False)


@dataclass(frozen=True)
class _Lessons:
    """A batch with what is asked of each row: guidance weight w [B], jump [B] (where told), place and target."""

    example: Example
    guidance: Tensor | None
    jump: Tensor | None
    rows: list[Lesson]


class StudentTrainer(TorchTraining[_Lessons]):
    """Trains one phase's student; everything that it needs to resume lies in `folder`.

    The student starts from the teacher; inputs that the teacher has not (w, the jump) start without effect. The
    learning rate falls linearly to 0, the weights are the last ones (no average), nothing is clipped, and z_t comes
    from real video.

    Args:
        recipe: of the whole distillation.
        phase: which student.
        teacher: of the phase.
        base: the stage that the first phase learns from.
        before: the stage that feeds it; None for a base model.
        examples: the training data.
        encoder: the text encoder's digest.
        folder: of the phase.

    Raises:
        ConfigError: the folder belongs to another training.
        StoreError: the folder's checkpoint is torn.
    """

    def __init__(
        self,
        recipe: DistillationRecipe,
        phase: Phase,
        teacher: Teacher,
        base: StageSpec,
        before: StageSpec | None,
        examples: Examples,
        encoder: str,
        folder: Path,
    ) -> None:
        self.phase, self.stage = phase, phase.student(base)
        self._recipe, self._teacher, self._examples = recipe, teacher, examples
        self._schedule = stage_schedule(base)
        place = recipe.phases(base.distilled).index(phase)
        self._first = place * _OWN_BATCHES
        self._teacher_net = teacher.net(examples.device)
        net = _started(self.stage, teacher).to(examples.device)
        facts = (
            Fact("recipe", "recipe", recipe.model_dump_json(exclude={"guidance", "halving", "stochastic"})),
            Fact("phase", "recipe", phase),
            Fact("place", "recipe", str(place)),
            Fact("stage", "stage", self.stage),
            Fact("before", "stage before it", before),
            Fact("encoder", "text encoder", encoder),
            Fact("teacher", "teacher", teacher.digest),
        )
        super().__init__(net, recipe, phase.updates, recipe.checkpoint_every, folder, facts)

    def student(self) -> Teacher:
        """What the training has made: the teacher of later phases."""
        return Teacher(self.stage, {name: value.detach().cpu() for name, value in self.net.state_dict().items()})

    def _data(self, step: int) -> _Lessons:
        example = self._examples(self._first + step)
        count = len(example.times)
        guidance = jump = None
        if self.phase.distilled.guidance is not None:
            low, high = self.phase.distilled.guidance
            drawn = low + (high - low) * Examples.stratified(example.generator, count)
            guidance = drawn.float().to(self._examples.device)
        if self.stage.unet.jump_embedding:
            far = torch.from_numpy(example.generator.random(count)) < 0.5
            jump = (1 + far).float().to(self._examples.device)
        return _Lessons(example, guidance, jump, self._lessons(example.times, jump))

    def _lessons(self, times: Tensor, jump: Tensor | None) -> list[Lesson]:
        steps = self.phase.distilled.steps
        if steps is None:
            return [Lesson(self._schedule.logsnr(t)) for t in times.tolist()]
        places = [int(t * steps) + 1 for t in times.tolist()]
        if jump is None:
            return [halving_lesson(self._schedule, place, steps) for place in places]
        make = {1: keeping_lesson, 2: stochastic_lesson}
        return [make[int(j)](self._schedule, place, steps) for place, j in zip(places, jump.tolist(), strict=True)]

    def _learning_rate(self, step: int) -> float:
        return self.phase.learning_rate * (1 - step / self.phase.updates)

    def _loss(self, data: _Lessons) -> Tensor:
        """max(SNR, 1) |x - x_target|^2 / (1 + w)^2, SNR up to the recipe's cap.

        Guidance multiplies the error of a teacher's prediction by 1 + w: divided by it, every w counts alike (ours).
        Source: Salimans & Ho 2022 (2202.00512), section 4, truncated SNR.
        """
        example = data.example
        logsnr = torch.tensor([row.logsnr for row in data.rows], dtype=torch.float64, device=example.video.device)
        z = diffuse(example.video, example.noise, logsnr)
        target = lesson_target(_Teaching(self._teacher_net, self._teacher.stage, data), z, data.rows)
        context = example.context(self.net, guidance=data.guidance, jump=data.jump)
        x_hat = to_x(self.net(z, logsnr.float(), context), z, logsnr, self.stage.parameterization)
        weight = logsnr.exp().clamp(1.0, self._recipe.snr_cap)
        if data.guidance is not None:
            weight = weight / (1 + data.guidance) ** 2
        return ((x_hat - target).square().mean(dim=(1, 2, 3, 4)) * weight.float()).mean()


class _Teaching:
    """The teacher's clean video for rows of a batch; guided by their w, where the teacher does not take it itself."""

    def __init__(self, net: TorchVideoUNet, stage: StageSpec, data: _Lessons) -> None:
        self._net, self._stage, self._data = net, stage, data

    def __call__(self, z: Tensor, logsnr: Tensor, rows: Tensor) -> Tensor:
        guidance = None if self._data.guidance is None else self._data.guidance[rows]
        return to_x(self._predict(z, logsnr.float(), rows, guidance), z, logsnr, self._stage.parameterization)

    def _predict(self, z: Tensor, logsnr: Tensor, rows: Tensor, guidance: Tensor | None) -> Tensor:
        example, net = self._data.example, self._net
        if guidance is None or self._stage.unet.guidance_embedding:
            prediction: Tensor = net(z, logsnr, example.context(net, rows, guidance))
            return prediction
        both = net(torch.cat([z, z]), torch.cat([logsnr, logsnr]), example.context(net, rows, null=True))
        conditional, unconditional = both.chunk(2)
        return conditional + guidance[:, None, None, None, None] * (conditional - unconditional)


def _started(stage: StageSpec, teacher: Teacher) -> TorchVideoUNet:
    """The student's network with the teacher's weights; what the teacher has not is zero, and so without effect."""
    net = TorchVideoUNet(stage.unet)
    state = {name: teacher.weights.get(name, torch.zeros_like(value)) for name, value in net.state_dict().items()}
    net.load_state_dict(state)
    return net.to(memory_format=torch.channels_last)
