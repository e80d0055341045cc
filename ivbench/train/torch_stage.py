"""Training of one stage in PyTorch: the denoising loss, and the moving average that is shipped."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ivbench.cascade.stage import stage_schedule
from ivbench.diffusion import diffuse, target
from ivbench.errors import ConfigError
from ivbench.nets.torch_video_unet import TorchVideoUNet
from ivbench.spec import StageSpec
from ivbench.text import TextEncoder
from ivbench.train.recipe import StageRecipe
from ivbench.train.torch_examples import Example, Examples
from ivbench.train.torch_noise_levels import draw_logsnr, loss_weights
from ivbench.train.torch_text_whitening import whiten_text
from ivbench.train.torch_training import Fact, TorchTraining

__all__ = ["StageTrainer"]


class StageTrainer(TorchTraining[Example]):
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
        _require_fit(recipe, stage)
        self.recipe, self.stage = recipe, stage
        torch.manual_seed(recipe.seed)
        self._examples = Examples(recipe, stage, before, encoder, device)
        net = TorchVideoUNet(stage.unet).to(memory_format=torch.channels_last)
        if recipe.whiten_text:
            whiten_text(net, *self._examples.table.pooled_and_tokens())
        net.to(self._examples.device)
        self.average = {name: value.detach().clone() for name, value in net.state_dict().items()}
        self._schedule = stage_schedule(stage)
        facts = (
            Fact("recipe", "recipe", recipe),
            Fact("stage", "stage", stage),
            Fact("before", "stage before it", before),
            Fact("encoder", "text encoder", encoder.digest),
        )
        super().__init__(net, recipe, recipe.steps, recipe.checkpoint_every, folder, facts)

    def _extra(self) -> dict[str, Any]:
        return {"average": self.average}

    def _take_extra(self, state: dict[str, Any]) -> None:
        self.average = {name: value.to(self._examples.device) for name, value in state["average"].items()}

    def _data(self, step: int) -> Example:
        return self._examples(step)

    def _learning_rate(self, step: int) -> float:
        return self.recipe.learning_rate * _decay(step, self.recipe.warm_up, self.recipe.steps)

    def _after_update(self) -> None:
        """Move the average: the decay warms up as (1 + step) / (10 + step)."""
        decay = min(self.recipe.ema, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            own = self.net.state_dict()
            torch._foreach_lerp_([*self.average.values()], [own[name] for name in self.average], 1 - decay)

    def _loss(self, data: Example) -> Tensor:
        """Weighted mean squared error of the prediction. Source: Imagen Video (2210.02303), equation 2."""
        logsnr = draw_logsnr(data.times, self._schedule, self.recipe.logsnr).to(data.video.device)
        x, eps, kind = data.video, data.noise, self.stage.parameterization
        prediction = self.net(diffuse(x, eps, logsnr), logsnr.float(), data.context(self.net))
        errors = (prediction - target(x, eps, logsnr, kind)).square().mean(dim=(1, 2, 3, 4))
        return (errors * loss_weights(logsnr, kind, self.recipe.loss_cap)).mean()


def _require_fit(recipe: StageRecipe, stage: StageSpec) -> None:
    if stage.distilled is not None:
        raise ConfigError(
            f'stage "{stage.name}" is distilled: it is made from a teacher. Use ivbench distill, or train its teacher.'
        )
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


def _decay(step: int, warm_up: int, steps: int) -> float:
    """Factor of the learning rate: linear warm-up, then cosine to 0."""
    if step < warm_up:
        return (step + 1) / warm_up
    return 0.5 * (1 + math.cos(math.pi * (step - warm_up) / max(1, steps - warm_up)))
