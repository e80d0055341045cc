"""The training loop of the probes, in PyTorch."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional

from ivbench.errors import ConfigError, NonFiniteError
from ivbench.extractors.heads import CLIP_HEADS, FRAME_HEADS
from ivbench.extractors.torch_probe_nets import (
    FRAME_FEATURES,
    FrameProbeNet,
    VideoProbeNet,
    clip_frames,
    frames_to_input,
)
from ivbench.train.probes import Examples, ProbeRecipe, draw_examples, pick_resolution
from ivbench.train.torch_checkpoint import read_checkpoint, write_checkpoint
from ivbench.train.torch_clip_probe import ClipProbeNet

__all__ = ["train"]

_PLACE_WEIGHT = 2.0
_FRAMES_A_CLIP = 5  # single frames that a clip of the batch makes room for
_LOG_EVERY = 50
_CHECKPOINT = "checkpoint.pt"


def train(recipe: ProbeRecipe, out: Path, scratch: Path, progress: Callable[[str], None]) -> dict[str, Any]:
    """Train, resuming from `scratch`, and write weights and configuration to `out`.

    Args:
        recipe: everything that decides the result.
        out: the folder to be written.
        scratch: the folder of the checkpoint.
        progress: takes one line at a time.

    Returns:
        Facts for the card: steps, seconds, threads, parameters, last loss, torch version.

    Raises:
        ConfigError: `scratch` holds another training's checkpoint.
        StoreError: the checkpoint is torn.
        NonFiniteError: the loss became NaN or infinite.
    """
    torch.manual_seed(recipe.seed)
    model = ClipProbeNet(recipe, out) if recipe.kind == "clip-probe" else _build(recipe)
    average = {name: value.detach().clone() for name, value in model.state_dict().items()}
    optimizer = torch.optim.AdamW(model.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay)
    start, seconds, loss = _resume(recipe, scratch, model, optimizer, average)
    began = time.perf_counter()
    model.train()
    for step in range(start, recipe.steps):
        for group in optimizer.param_groups:
            group["lr"] = recipe.learning_rate * _rate(step, recipe.warm_up, recipe.steps)
        value = _update(model, optimizer, _loss(model, _examples(recipe, step)))
        loss = value if step == 0 else 0.98 * loss + 0.02 * value
        _average(average, model, min(recipe.averaging, (1 + step) / (10 + step)))
        done = step + 1
        if done % _LOG_EVERY == 0:
            rate = (time.perf_counter() - began) / (done - start)
            progress(f"step {done}/{recipe.steps}  loss {loss:.4f}  {rate * (recipe.steps - done):.0f} s left")
        if done % recipe.checkpoint_every == 0 or done == recipe.steps:
            spent = seconds + time.perf_counter() - began
            state = {"recipe": recipe.model_dump_json(), "step": done, "seconds": spent, "loss": loss}
            nets = {"average": average, "model": model.state_dict(), "optimizer": optimizer.state_dict()}
            write_checkpoint(scratch / _CHECKPOINT, {**state, **nets})
    seconds += time.perf_counter() - began
    parameters = _export(recipe, out, average)
    return {
        "steps": recipe.steps,
        "seconds": round(seconds, 1),
        "threads": torch.get_num_threads(),
        "parameters": parameters,
        "loss": round(loss, 4),
        "torch": str(torch.__version__),
    }


class _TaughtVideoProbe(nn.Module):
    """A video probe and, in training only, heads that read every single frame: they find the shapes in minutes."""

    def __init__(self, probe: VideoProbeNet) -> None:
        super().__init__()
        self.probe = probe
        self.frame_heads = nn.ModuleDict(
            {name: nn.Linear(FRAME_FEATURES, len(values)) for name, values in FRAME_HEADS.items()}
        )


def _build(recipe: ProbeRecipe) -> nn.Module:
    a, b, c = recipe.widths
    if recipe.kind == "frame-probe":
        return FrameProbeNet(FRAME_HEADS, (a, b, c)).to(memory_format=torch.channels_last)
    return _TaughtVideoProbe(VideoProbeNet(CLIP_HEADS, (a, b, c))).to(memory_format=torch.channels_last)


def _examples(recipe: ProbeRecipe, step: int) -> Examples:
    rng = np.random.default_rng([recipe.seed, step])
    height, width = pick_resolution(recipe, rng)
    clips = recipe.kind == "video-probe" and step >= recipe.frames_first
    count = recipe.batch if clips or recipe.kind != "video-probe" else recipe.batch * _FRAMES_A_CLIP
    return draw_examples(rng, count, height, width, clips, recipe.spoilt)


def _loss(model: nn.Module, examples: Examples) -> Tensor:
    """The loss of whichever probe it is."""
    if isinstance(model, ClipProbeNet):
        return model.loss(examples)
    videos = torch.from_numpy(examples.videos)
    if isinstance(model, FrameProbeNet):
        return _attribute_loss(model, model(frames_to_input(videos.flatten(0, 1))), examples)
    single = videos.shape[1] == 1
    x = frames_to_input(videos[:, [0] if single else clip_frames(videos.shape[1])].flatten(0, 1))
    kept = model.probe.frames(x.view(len(videos), -1, *x.shape[1:]))
    taught = _frames_loss(model.frame_heads, kept, examples)
    if single:
        return taught
    return taught + _attribute_loss(model.probe, model.probe.project(kept.flatten(1)), examples)


def _attribute_loss(model: nn.Module, features: Tensor, examples: Examples) -> Tensor:
    """The heads' cross-entropy, and the place's squared error.

    Each head's is the mean over the examples that it is judged on; the place's over the whole ones.
    """
    total = torch.zeros(())
    for name, logits in model.heads(features).items():
        total = total + functional.cross_entropy(logits, torch.from_numpy(examples.labels[name]), ignore_index=-1)
    whole = torch.from_numpy(examples.whole)
    error = (model.place(features) - torch.from_numpy(examples.places))[whole].square().sum(-1)
    return total + _PLACE_WEIGHT * error.mean()


def _frames_loss(heads: nn.ModuleDict, kept: Tensor, examples: Examples) -> Tensor:
    """Cross-entropy of every frame [B, T, FRAME_FEATURES], summed over attributes; of clips, of the whole ones."""
    judged = torch.from_numpy(examples.whole) if kept.shape[1] > 1 else torch.ones(len(kept), dtype=torch.bool)
    total = torch.zeros(())
    for name, head in heads.items():
        labels = torch.from_numpy(examples.labels[name])[judged, None].expand(-1, kept.shape[1])
        total = total + functional.cross_entropy(head(kept[judged]).flatten(0, 1), labels.flatten(), ignore_index=-1)
    return total


def _update(model: nn.Module, optimizer: torch.optim.Optimizer, loss: Tensor) -> float:
    value = float(loss.detach())
    if not math.isfinite(value):
        raise NonFiniteError(f"the loss is {value}. Lower the learning rate.")
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    return value


def _rate(step: int, warm_up: int, steps: int) -> float:
    """Share of the learning rate: linear warm-up, then a cosine to 0."""
    if step < warm_up:
        return (step + 1) / warm_up
    return 0.5 * (1 + math.cos(math.pi * (step - warm_up) / max(1, steps - warm_up)))


def _average(average: dict[str, Tensor], model: nn.Module, decay: float) -> None:
    for name, value in model.state_dict().items():
        if value.is_floating_point():
            average[name].lerp_(value, 1 - decay)
        else:
            average[name].copy_(value)


def _resume(
    recipe: ProbeRecipe,
    scratch: Path,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    average: dict[str, Tensor],
) -> tuple[int, float, float]:
    """Load the checkpoint, if there is one; return the steps and seconds already spent, and the last loss."""
    file = scratch / _CHECKPOINT
    if not file.is_file():
        return 0, 0.0, 0.0
    state = read_checkpoint(file, ("recipe", "step", "seconds", "loss", "average", "model", "optimizer"))
    if state["recipe"] != recipe.model_dump_json():
        raise ConfigError(f"{scratch} holds a training by another recipe. Give another folder with --out.")
    try:
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
    except (RuntimeError, ValueError) as error:
        raise ConfigError(f"{file} is of another version of the net. Give another folder with --out.") from error
    for name, value in state["average"].items():
        average[name].copy_(value)
    return int(state["step"]), float(state["seconds"]), float(state["loss"])


def _export(recipe: ProbeRecipe, out: Path, weights: dict[str, Tensor]) -> int:
    """Write float16 weights, and the configuration of a probe that is no CLIP; return the number of parameters."""
    out.mkdir(parents=True, exist_ok=True)
    part = {"clip-probe": "clip.", "video-probe": "probe.", "frame-probe": ""}[recipe.kind]
    half = {
        name.removeprefix(part): value.to(_stored(name, value)).contiguous()
        for name, value in weights.items()
        if name.startswith(part)
    }
    if recipe.kind == "clip-probe":
        _save_weights(half, out / "open_clip_model.safetensors")
    else:
        _save_weights(half, out / "model.safetensors")
        heads = CLIP_HEADS if recipe.kind == "video-probe" else FRAME_HEADS
        config = {"extractor": recipe.kind, "widths": list(recipe.widths), "heads": heads}
        (out / "config.json").write_text(json.dumps(config, indent=1) + "\n")
    return sum(value.numel() for value in half.values())


def _save_weights(weights: dict[str, Tensor], file: Path) -> None:
    save_file(weights, file)
    file.chmod(0o644)  # the library leaves it readable to its owner alone


def _stored(name: str, value: Tensor) -> torch.dtype:
    """Float16, but for what batch normalisation has counted: small variances would be lost."""
    return value.dtype if "running_" in name or not value.is_floating_point() else torch.float16
