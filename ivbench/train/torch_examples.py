"""Training batches as tensors on the training's device: video, noise, times, text, augmented conditioning video."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ivbench.backends.torch_backend import available_device
from ivbench.cascade.conditioning import conditioning_video
from ivbench.cascade.stage import stage_schedule
from ivbench.diffusion import augment
from ivbench.nets.torch_video_unet import Context, TorchVideoUNet
from ivbench.spec import StageSpec
from ivbench.text import TextEncoder
from ivbench.train.batches import Batch, ShapesBatches
from ivbench.train.recipe import DataRecipe
from ivbench.train.torch_noise_levels import draw_logsnr
from ivbench.train.torch_text_table import TextTable

__all__ = ["Example", "Examples"]


@dataclass(frozen=True)
class Example:
    """One batch, ready to be noised.

    Attributes:
        video: [B, T, H, W, C] float32 in [-1, 1].
        noise: the same shape, standard normal.
        times: [B] float64 in [0, 1), stratified: one in each B-th part, in random order.
        text: tokens [B, T, L, D], mask [B, T, L] and pooled [B, T, D].
        conditioning: [B, T, H, W, C]: the noised and resized conditioning video; None for a base model.
        augmentation: [B] its log SNR, where the net is told.
        images: [B] bool: packs of independent images; None where there are none.
        generator: the batch's own source of further numbers.
    """

    video: Tensor
    noise: Tensor
    times: Tensor
    text: tuple[Tensor, Tensor, Tensor]
    conditioning: Tensor | None
    augmentation: Tensor | None
    images: Tensor | None
    generator: Any

    def context(
        self,
        net: TorchVideoUNet,
        rows: Tensor | None = None,
        guidance: Tensor | None = None,
        jump: Tensor | None = None,
        null: bool = False,
    ) -> Context:
        """What a net's evaluations of this batch, or of some of its rows, share.

        Args:
            net: teacher, student, or the net in training.
            rows: [R] which; None: all.
            guidance: [R] w, where the net takes it.
            jump: [R] steps of 1/N, where the net takes it.
            null: twice the rows: first with text, then without (zero tokens, zero pooled vector, mask all valid).
        """
        tokens, mask, pooled = (_rows(part, rows) for part in self.text)
        conditioning, augmentation, images = (
            None if part is None else _rows(part, rows) for part in (self.conditioning, self.augmentation, self.images)
        )
        if null:
            tokens, pooled = (torch.cat([part, torch.zeros_like(part)]) for part in (tokens, pooled))
            mask = torch.cat([mask, torch.ones_like(mask)])
            conditioning, augmentation, images = (
                None if part is None else torch.cat([part, part]) for part in (conditioning, augmentation, images)
            )
        frames, height, width = self.video.shape[1:4]
        return net.prepare(
            tokens,
            mask,
            pooled,
            frames=frames,
            size=(height, width),
            conditioning=conditioning,
            augmentation=augmentation,
            guidance=guidance,
            images=images,
            jump=jump,
        )


class Examples:
    """Batches of a stage's training data on a device.

    Args:
        recipe: batch size, seed, shares, crop, augmentation.
        stage: what is trained.
        before: the stage that feeds it; None for a base model.
        encoder: the frozen text encoder.
        device: a torch device's name.

    Raises:
        ConfigError: images or crops that such a stage can't be trained on, or no such device.
    """

    def __init__(
        self, recipe: DataRecipe, stage: StageSpec, before: StageSpec | None, encoder: TextEncoder, device: str = "cpu"
    ) -> None:
        self.device = available_device(device)
        self._recipe, self._stage, self._schedule = recipe, stage, stage_schedule(stage)
        self._batches = ShapesBatches(recipe, stage, before)
        self.table = TextTable(encoder, self._batches.vocabulary())

    def __call__(self, index: int) -> Example:
        """The example number `index`, the same for the same recipe and index."""
        batch = self._batches(index)
        generator, video = batch.generator, torch.from_numpy(batch.video)
        times = self.stratified(generator, len(video))
        noise = torch.from_numpy(generator.standard_normal(video.shape, dtype="float32"))
        low, augmentation = self._augmented(batch)
        tokens, mask, pooled = map(self._there, self.table(batch.captions))
        return Example(
            video=self._there(video),
            noise=self._there(noise),
            times=times,
            text=(tokens, mask, pooled),
            conditioning=self._there(low),
            augmentation=self._there(augmentation),
            images=self._there(torch.from_numpy(batch.images)) if batch.images.any() else None,
            generator=generator,
        )

    @staticmethod
    def stratified(generator: Any, count: int) -> Tensor:
        """[count] float64 in [0, 1): one in each part of that width, in random order."""
        places = (generator.random() + torch.arange(count, dtype=torch.float64) / count) % 1.0
        return places[torch.from_numpy(generator.permutation(count))]

    def _there(self, tensor: Any) -> Any:
        """A tensor on the training's device; None stays None."""
        return None if tensor is None else tensor.to(self.device)

    def _augmented(self, batch: Batch) -> tuple[Tensor | None, Tensor | None]:
        """The conditioning video, noised at the low resolution and then resized, with its log SNR [B]."""
        if batch.low is None:
            return None, None
        low = torch.from_numpy(batch.low)
        height, width = batch.video.shape[2:4]
        stage = self._stage.model_copy(update={"height": height, "width": width})
        if not stage.unet.augmentation:
            return conditioning_video(low, stage), None
        times = torch.from_numpy(batch.generator.random(low.shape[0])) * self._recipe.augmentation_max_time
        logsnr = draw_logsnr(times, self._schedule)
        noise = torch.from_numpy(batch.generator.standard_normal(low.shape, dtype="float32"))
        return conditioning_video(augment(low, noise, logsnr), stage), logsnr.float()


def _rows(part: Tensor, rows: Tensor | None) -> Tensor:
    return part if rows is None else part[rows]
