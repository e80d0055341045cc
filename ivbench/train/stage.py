"""From a recipe to a stage's training, and the strips of samples that it leaves on its way."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ivbench.adapters import open_text_encoder
from ivbench.cascade import StageSettings, sample_stage
from ivbench.config import parse, read_cascade, read_yaml, text_digest
from ivbench.data.shapes import caption, combinations, draw_scene, render, to_uint8
from ivbench.diffusion.guidance import Constant
from ivbench.diffusion.noise import NoiseKey
from ivbench.diffusion.samplers.ddim import DDIM
from ivbench.diffusion.thresholding import Thresholding
from ivbench.errors import ConfigError, did_you_mean
from ivbench.spec import CascadeSpec, StageSpec
from ivbench.text import TextEmbeddings, TextEncoder
from ivbench.train.recipe import StageRecipe
from ivbench.train.snapshots import Snapshots
from ivbench.zoo import find_zoo

if TYPE_CHECKING:
    from torch import Tensor

    from ivbench.train.torch_stage import StageTrainer

__all__ = ["StripMaker", "find_stage", "open_stage"]

STRIP_BASE = StageSettings(DDIM(), 16, Constant(2.0), Thresholding("static"))
STRIP_SUPER_RESOLUTION = StageSettings(DDIM(), 8, Constant(0.0), Thresholding("static"))
_PROMPTS = 8
_SCALE = 4


def open_stage(
    recipe: Path, out: Path, zoo: Path | None = None, device: str = "cpu"
) -> tuple[StageTrainer, Callable[[StageTrainer, bool], None]]:
    """Open a stage's training: new, or where the folder's checkpoint has it.

    Args:
        recipe: a YAML file of `kind: stage`.
        out: the training's folder.
        zoo: where the cascade and its text encoder are; None: `find_zoo()`.
        device: where the stage is trained.

    Returns:
        The training, and what is to be called after each step, with the training and whether it was the last: it
        leaves strips and snapshots.

    Raises:
        ConfigError: the recipe or the cascade is wrong, or `out` holds another training.
        MissingFileError: there is no such cascade or text encoder.
        StoreError: the checkpoint is torn.
    """
    resolved = parse(StageRecipe, read_yaml(recipe), str(recipe))
    home = zoo or find_zoo()
    cascade = read_cascade(home / resolved.cascade / "cascade.yaml")
    found, before = find_stage(cascade, resolved.stage, recipe)
    stage = _changed(found, resolved.changes, recipe)
    encoder = open_text_encoder(cascade.text, zoo=home)
    strips = StripMaker(stage, before, encoder)
    snapshots = Snapshots(resolved.snapshots, resolved.cascade, resolved.stage, recipe.name, home)
    from ivbench.train.torch_stage import StageTrainer

    def after_update(trainer: StageTrainer, last: bool) -> None:
        strips.after_update(trainer, last)
        snapshots.after_update(trainer)

    return StageTrainer(resolved, stage, before, encoder, out, device), after_update


def _changed(stage: StageSpec, changes: Mapping[str, Any], recipe: Path) -> StageSpec:
    """A stage with what a recipe changes of it; `unet` is merged key by key."""
    data = stage.model_dump(exclude_defaults=True)
    unet = changes.get("unet", {})
    if not isinstance(unet, dict):
        raise ConfigError(f"{recipe}: changes: unet must be a mapping, got {unet!r}.")
    return parse(StageSpec, data | dict(changes) | {"unet": data["unet"] | unet}, f"{recipe}: changes")


def find_stage(cascade: CascadeSpec, name: str, recipe: Path) -> tuple[StageSpec, StageSpec | None]:
    """The stage that a recipe names, and the one that feeds it.

    Raises:
        ConfigError: the cascade has no such stage; says the nearest.
    """
    names = [stage.name for stage in cascade.stages]
    if name not in names:
        raise ConfigError(f'{recipe}: cascade {cascade.name} has no stage "{name}".{did_you_mean(name, names)}')
    return cascade.stage(name), cascade.before(name)


class StripMaker:
    """Samples of one stage from fixed validation prompts and fixed noise, so that all strips compare.

    Stages after the base start from real low-resolution video.

    Args:
        stage: whose name and size the samples have.
        before: the stage that feeds it; None for a base model.
        encoder: the frozen text encoder.
    """

    def __init__(self, stage: StageSpec, before: StageSpec | None, encoder: TextEncoder) -> None:
        rows = combinations("validation")[:_PROMPTS]
        self.prompts = [caption(row) for row in rows]
        self._text: TextEmbeddings = encoder.encode(self.prompts)
        self._keys = [NoiseKey(0, text_digest(prompt), stage=stage.name) for prompt in self.prompts]
        generator = np.random.Generator(np.random.Philox(key=0))
        scenes = [draw_scene(row, generator) for row in rows]
        self._low = None
        if before is not None:
            self._low = render(scenes, before.frames, before.fps, before.height, before.width)

    def sample(self, stage: StageSpec, weights: Mapping[str, Tensor], settings: StageSettings) -> NDArray[np.uint8]:
        """Sample a stage with these weights: [B, T, H, W, C] uint8."""
        from ivbench.cascade.torch_model import TorchStageModel

        model = TorchStageModel(stage, {name: value.cpu().numpy() for name, value in weights.items()})
        return to_uint8(sample_stage(model, settings, self._text, self._keys, self._low))

    def write(self, videos: NDArray[np.uint8], path: Path) -> Path:
        """Write a picture: a row a prompt, its frames side by side."""
        count, frames, height, width, channels = videos.shape
        grid = videos.transpose(0, 2, 1, 3, 4).reshape(count * height, frames * width, channels)
        path.parent.mkdir(exist_ok=True, parents=True)
        picture = Image.fromarray(np.ascontiguousarray(grid))
        picture.resize((picture.width * _SCALE, picture.height * _SCALE), Image.Resampling.NEAREST).save(path)
        return path

    def after_update(self, trainer: StageTrainer, last: bool) -> None:
        """Every `strip_every` steps of a training and at its end: `strips/step-NNNNNN.png` by the averaged weights.

        A base stage is sampled at w = 2 in 16 steps; the others unguided, in 8.
        """
        if last or trainer.step % trainer.recipe.strip_every == 0:
            settings = STRIP_BASE if self._low is None else STRIP_SUPER_RESOLUTION
            path = trainer.folder / "strips" / f"step-{trainer.step:06d}.png"
            self.write(self.sample(trainer.stage, trainer.average, settings), path)
