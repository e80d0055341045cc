"""Training of one stage in PyTorch: loss, loop, moving average, checkpoints that resume to the same curve."""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from pydantic import BaseModel, ValidationError
from torch import Tensor

from ivbench.backends.torch_backend import available_device
from ivbench.cascade.conditioning import conditioning_video
from ivbench.cascade.stage import stage_schedule
from ivbench.diffusion import augment, diffuse, target
from ivbench.errors import ConfigError, NonFiniteError
from ivbench.nets.torch_video_unet import TorchVideoUNet
from ivbench.results.atomic import write_bytes
from ivbench.spec import StageSpec
from ivbench.text import TextEncoder
from ivbench.train.batches import Batch, ShapesBatches
from ivbench.train.recipe import StageRecipe
from ivbench.train.torch_checkpoint import read_checkpoint, write_checkpoint
from ivbench.train.torch_noise_levels import draw_logsnr, loss_weights
from ivbench.train.torch_optimizer import make_optimizer
from ivbench.train.torch_text_table import TextTable
from ivbench.train.torch_text_whitening import whiten_text

__all__ = ["Progress", "StageTrainer"]

CHECKPOINT = "checkpoint.pt"
LOG = "log.jsonl"
_STATE = ("recipe", "step", "seconds", "net", "average", "optimizer")

Progress = Callable[[dict[str, float]], None]
"""Called after each step with its record: step, loss, norm, lr, rate (steps a second), left (seconds)."""


class StageTrainer:
    """Trains one stage by its recipe; everything that it needs to resume lies in `folder`.

    Args:
        recipe: how.
        stage: what.
        before: the stage that feeds it; None for a base model.
        encoder: the frozen text encoder.
        folder: checkpoint, log and strips; created, or resumed from.
        device: a torch device's name.

    Raises:
        ConfigError: the recipe does not suit the stage, or the folder belongs to another training.
        StoreError: the folder's checkpoint is torn.
    """

    def __init__(
        self,
        recipe: StageRecipe,
        stage: StageSpec,
        before: StageSpec | None,
        encoder: TextEncoder,
        folder: Path,
        device: str = "cpu",
    ) -> None:
        if stage.unet.clean_head and recipe.loss_cap is None:
            raise ConfigError(
                f'stage "{stage.name}" has a clean head: the plain error of v is that of x times 1 + SNR, up to e^20. '
                "Set loss_cap."
            )
        if stage.parameterization == "eps" and recipe.loss_cap is not None:
            raise ConfigError(
                f'stage "{stage.name}" predicts eps, whose error at low SNR loss_cap would weight by up to '
                "0.1 / SNR. Leave loss_cap out."
            )
        self.recipe, self.stage, self.folder = recipe, stage, folder
        self._before, self._encoder, self._device = before, encoder, available_device(device)
        torch.manual_seed(recipe.seed)
        self._batches = ShapesBatches(recipe, stage, before)
        self._table = TextTable(encoder, self._batches.vocabulary())
        self.net = TorchVideoUNet(stage.unet).to(memory_format=torch.channels_last)
        if recipe.whiten_text:
            whiten_text(self.net, *self._table.pooled_and_tokens())
        self.net.to(self._device)
        self.average = {name: value.detach().clone() for name, value in self.net.state_dict().items()}
        self._optimizer = make_optimizer(self.net, recipe)
        self._schedule = stage_schedule(stage)
        self.step, self.seconds = 0, 0.0
        folder.mkdir(parents=True, exist_ok=True)
        self._resume()

    def run(self, on_step: Progress, on_strip: Callable[[StageTrainer], object] | None = None) -> None:
        """Train to the recipe's last step, or go on from the last checkpoint.

        Args:
            on_step: called with step, loss, rate and seconds left after each step.
            on_strip: called every `strip_every` steps and at the end.

        Raises:
            NonFiniteError: the loss has become NaN or infinity.
        """
        self.net.train()
        with (self.folder / LOG).open("a") as log:
            while self.step < self.recipe.steps:
                started = time.perf_counter()
                record = self._update()
                self.step += 1
                self.seconds += time.perf_counter() - started
                rate = self.step / self.seconds
                record |= {"step": self.step, "rate": rate, "left": (self.recipe.steps - self.step) / rate}
                log.write(json.dumps(record) + "\n")
                on_step(record)
                last = self.step == self.recipe.steps
                if on_strip is not None and (last or self.step % self.recipe.strip_every == 0):
                    on_strip(self)  # before the checkpoint, so that a kill between the two repeats it
                if last or self.step % self.recipe.checkpoint_every == 0:
                    log.flush()
                    os.fsync(log.fileno())
                    self.save()

    def save(self) -> None:
        """Write the checkpoint: whole, or not at all.

        Raises:
            StoreError: the disk is full, or the folder can't be written.
        """
        state = {
            "recipe": self.recipe.model_dump_json(),
            "stage": self.stage.model_dump_json(),
            "before": self._before.model_dump_json() if self._before else "",
            "encoder": self._encoder.digest,
            "step": self.step,
            "seconds": self.seconds,
            "net": self.net.state_dict(),
            "average": self.average,
            "optimizer": self._optimizer.state_dict(),
        }
        write_checkpoint(self.folder / CHECKPOINT, state)

    def _resume(self) -> None:
        path = self.folder / CHECKPOINT
        if path.is_file():
            state = read_checkpoint(path, _STATE)
            for what in self._differences(state):
                raise ConfigError(f"{self.folder} holds a training by another {what}. Give another folder with --out.")
            self.step, self.seconds = state["step"], state["seconds"]
            self.average = {name: value.to(self._device) for name, value in state["average"].items()}
            try:
                self.net.load_state_dict(state["net"])
                self._optimizer.load_state_dict(state["optimizer"])
            except (RuntimeError, ValueError) as error:
                raise ConfigError(
                    f"{path} was written by another version of net or optimizer. Give another folder with --out."
                ) from error
        self._cut_log()

    def _differences(self, state: dict[str, Any]) -> Iterator[str]:
        """What the checkpoint was trained with and this training is not."""
        if not _same(self.recipe, state["recipe"]):
            yield "recipe"
        if not _same(self.stage, state.get("stage")):
            yield "stage"
        if not _same(self._before, state.get("before")):
            yield "stage before it"
        if state.get("encoder", self._encoder.digest) != self._encoder.digest:
            yield "text encoder"

    def _cut_log(self) -> None:
        """Drop the log's lines after the checkpoint: those steps are done again."""
        log = self.folder / LOG
        if log.is_file():
            lines = log.read_bytes().splitlines(keepends=True)
            if len(lines) > self.step:
                write_bytes(log, b"".join(lines[: self.step]))

    def _update(self) -> dict[str, float]:
        recipe = self.recipe
        for group in self._optimizer.param_groups:
            group["lr"] = recipe.learning_rate * _decay(self.step, recipe.warm_up, recipe.steps)
        batch = self._batches(self.step)
        loss = self._loss(batch)
        if not math.isfinite(loss.item()):
            raise NonFiniteError(f"the loss is {loss.item()} at step {self.step}. Lower learning_rate and start anew.")
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(self.net.parameters(), recipe.clip_norm)
        self._optimizer.step()
        self._follow()
        return {"loss": loss.item(), "norm": float(norm), "lr": self._optimizer.param_groups[0]["lr"]}

    def _follow(self) -> None:
        """Move the average: the decay warms up as (1 + step) / (10 + step)."""
        decay = min(self.recipe.ema, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            own = self.net.state_dict()
            torch._foreach_lerp_([*self.average.values()], [own[name] for name in self.average], 1 - decay)

    def _loss(self, batch: Batch) -> Tensor:
        """Weighted mean squared error of the prediction. Source: Imagen Video (2210.02303), equation 2."""
        x = self._there(torch.from_numpy(batch.video))
        count, frames, height, width, _ = x.shape
        generator = batch.generator
        times = (generator.random() + torch.arange(count, dtype=torch.float64) / count) % 1.0
        times = times[torch.from_numpy(generator.permutation(count))]
        logsnr = self._there(draw_logsnr(times, self._schedule, self.recipe.logsnr))
        eps = self._there(torch.from_numpy(generator.standard_normal(x.shape, dtype="float32")))
        low, augmentation = map(self._there, self._augmented(batch))
        context = self.net.prepare(
            *map(self._there, self._table(batch.captions)),
            frames=frames,
            size=(height, width),
            conditioning=low,
            augmentation=augmentation,
            images=self._there(torch.from_numpy(batch.images)) if batch.images.any() else None,
        )
        prediction = self.net(diffuse(x, eps, logsnr), logsnr.float(), context)
        errors = (prediction - target(x, eps, logsnr, self.stage.parameterization)).square().mean(dim=(1, 2, 3, 4))
        return (errors * loss_weights(logsnr, self.stage.parameterization, self.recipe.loss_cap)).mean()

    def _there(self, tensor: Any) -> Any:
        """A tensor on the training's device; None stays None."""
        return None if tensor is None else tensor.to(self._device)

    def _augmented(self, batch: Batch) -> tuple[Tensor | None, Tensor | None]:
        """The conditioning video, noised at the low resolution and then resized, with its log SNR [B]."""
        if batch.low is None:
            return None, None
        low = torch.from_numpy(batch.low)
        if not self.stage.unet.augmentation:
            return conditioning_video(low, self._cropped(batch)), None
        times = torch.from_numpy(batch.generator.random(low.shape[0])) * self.recipe.augmentation_max_time
        logsnr = draw_logsnr(times, self._schedule)
        noise = torch.from_numpy(batch.generator.standard_normal(low.shape, dtype="float32"))
        return conditioning_video(augment(low, noise, logsnr), self._cropped(batch)), logsnr.float()

    def _cropped(self, batch: Batch) -> StageSpec:
        height, width = batch.video.shape[2:4]
        return self.stage.model_copy(update={"height": height, "width": width})


def _same(own: BaseModel | None, stored: str | None) -> bool:
    """Whether a stored model is this one, whatever the way it's sampled; None: an old checkpoint that doesn't say."""
    if own is None or not stored:
        return stored is None or (own is None and not stored)
    try:
        other = type(own).model_validate_json(stored)
    except ValidationError:
        return False
    return other.model_dump(exclude={"oscillates"}) == own.model_dump(exclude={"oscillates"})


def _decay(step: int, warm_up: int, steps: int) -> float:
    """Factor of the learning rate: linear warm-up, then cosine to 0."""
    if step < warm_up:
        return (step + 1) / warm_up
    return 0.5 * (1 + math.cos(math.pi * (step - warm_up) / max(1, steps - warm_up)))
