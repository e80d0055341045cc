"""From a distillation recipe to its students: one phase after another, each from the one before, each resumable."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ivbench.adapters import open_text_encoder
from ivbench.adapters.native import NativeCascade
from ivbench.cascade import StageSettings
from ivbench.config import parse, read_yaml
from ivbench.diffusion.guidance import Constant
from ivbench.errors import ConfigError, did_you_mean
from ivbench.registry import load
from ivbench.spec import DistilledSpec, StageSpec
from ivbench.train.cascade_folder import write_cascade_folder
from ivbench.train.distillation_recipe import DistillationRecipe, Phase
from ivbench.train.stage import STRIP_BASE, STRIP_SUPER_RESOLUTION, StripMaker, find_stage
from ivbench.zoo import find_zoo, read_card

if TYPE_CHECKING:
    from ivbench.train.torch_distillation import StudentTrainer, Teacher

__all__ = ["Distillation"]


class Distillation:
    """The phases of a recipe in a folder: `PHASE/` holds checkpoint, log and a strip, `students/` the cascades.

    Args:
        recipe: a YAML file of `kind: distillation`.
        out: the folder.
        zoo: where the teacher and its text encoder are; None: `find_zoo()`.
        device: where students are trained.

    Raises:
        ConfigError: the recipe or the cascade is wrong, or its halvings do not go on from the stage's own steps.
        DigestError: the teacher's weights are not what its card says.
        MissingFileError: there is no such text encoder.
    """

    def __init__(self, recipe: Path, out: Path, zoo: Path | None = None, device: str = "cpu") -> None:
        self.recipe = parse(DistillationRecipe, read_yaml(recipe), str(recipe))
        self.out, self._name = out, recipe.name
        home = zoo or find_zoo()
        self._card = read_card(self.recipe.cascade, home)
        spec = self._card.cascade()
        self.stage, self._before = find_stage(spec, self.recipe.stage, recipe)
        _require_going_on(self.stage, self.recipe)
        self._weights = NativeCascade(self._card, device, home).weights(self.stage.name)
        encoder = open_text_encoder(spec.text, zoo=home)
        self._encoder, self._strips = encoder.digest, StripMaker(self.stage, self._before, encoder)
        from ivbench.train.torch_examples import Examples

        self._examples = Examples(self.recipe, self.stage, self._before, encoder, device)

    def phases(self, until: str | None = None) -> tuple[Phase, ...]:
        """The recipe's phases, up to and with the named one.

        Raises:
            ConfigError: no such phase; says the nearest.
        """
        phases = self.recipe.phases(self.stage.distilled)
        names = [phase.name for phase in phases]
        if until is not None and until not in names:
            raise ConfigError(
                f'{self._name} has no phase "{until}".{did_you_mean(until, names)} It has: {", ".join(names)}.'
            )
        return phases if until is None else phases[: names.index(until) + 1]

    def run(self, until: str | None, train: Callable[[StudentTrainer], object]) -> Iterator[Path]:
        """Train what is not finished, phase by phase.

        Args:
            until: the last phase; None: all.
            train: runs a student's training to its end.

        Yields:
            The folder of each student's cascade.

        Raises:
            ConfigError: no such phase, or a folder belongs to another training.
            NonFiniteError: a loss or a weight is NaN or infinity.
            StoreError: a checkpoint is torn, or a folder cannot be written.
        """
        finished: dict[str | None, Teacher] = {None: self._original()}
        for phase in self.phases(until):
            trainer = self._trainer(phase, finished[phase.teacher])
            train(trainer)
            finished[phase.name] = trainer.student()
            yield self._leave(phase, trainer)

    def _original(self) -> Teacher:
        import numpy as np
        import torch

        from ivbench.train.torch_distillation import Teacher

        weights = {name: torch.from_numpy(np.array(value, np.float32)) for name, value in self._weights.items()}
        return Teacher(self.stage, weights).of_ddim()

    def _trainer(self, phase: Phase, teacher: Teacher) -> StudentTrainer:
        from ivbench.train.torch_distillation import StudentTrainer

        folder = self.out / phase.name
        return StudentTrainer(
            self.recipe, phase, teacher, self.stage, self._before, self._examples, self._encoder, folder
        )

    def _leave(self, phase: Phase, trainer: StudentTrainer) -> Path:
        """The student's cascade and its strip."""
        from ivbench.train.torch_export import half_precision

        folder = self.out / "students" / f"{self._card.name}-{self.stage.name}-{phase.name}"
        if not (folder / "card.yaml").is_file():
            student = trainer.student()
            about: dict[str, Any] = {
                "recipe": self._name,
                "phase": phase.name,
                "teacher": phase.teacher or self._card.name,
                "updates": phase.updates,
                "batch": self.recipe.batch,
            }
            write_cascade_folder(self._card, trainer.stage, half_precision(student.weights), about, folder)
            videos = self._strips.sample(trainer.stage, student.weights, _strip_settings(trainer.stage))
            self._strips.write(videos, trainer.folder / "strip.png")
        return folder


def _require_going_on(stage: StageSpec, recipe: DistillationRecipe) -> None:
    """A stage that is distilled already can be halved further, by the sampler that halvings are for."""
    found = stage.distilled
    if recipe.goes_on_alone:
        steps = recipe.stochastic[0].steps
        if found is None or found.steps != steps or found.samplers != ("ddim",):
            raise ConfigError(
                f'a stochastic student alone needs a stage of {steps} steps of ddim. Stage "{stage.name}" '
                + _in_words(found)
            )
        return
    if found is None:
        return
    if recipe.guidance is not None:
        raise ConfigError(
            f'stage "{stage.name}" is distilled already. Leave `guidance` out to go on from it, or name the cascade '
            "that it was distilled from."
        )
    if found.steps is None:
        return
    if "ddim" not in found.samplers:
        raise ConfigError(
            f'stage "{stage.name}" is a student of the {found.samplers[0]} sampler alone, and halvings are of ddim. '
            "Name the cascade that it was distilled from."
        )
    first = recipe.halving[0].steps
    if 2 * first != found.steps:
        raise ConfigError(
            f'stage "{stage.name}" is distilled to {found.steps} steps, and halving begins with {first}. '
            + (f"It can begin with {found.steps // 2}." if found.steps % 2 == 0 else "Its steps cannot be halved.")
        )


def _in_words(found: DistilledSpec | None) -> str:
    if found is None:
        return "is not distilled."
    if found.steps is None:
        return "is distilled in guidance alone."
    return f"has {found.steps} steps of {' and '.join(found.samplers)}."


def _strip_settings(stage: StageSpec) -> StageSettings:
    """As strips of trainings are sampled, in the student's own steps and with a weight that it knows."""
    usual: Any = STRIP_BASE if stage.kind == "base" else STRIP_SUPER_RESOLUTION
    distilled = stage.distilled
    assert distilled is not None
    w = 0.0
    if distilled.guidance is not None:
        low, high = distilled.guidance
        w = min(max(usual.guidance.w, low), high)
    if distilled.steps is None:
        return StageSettings(usual.sampler, usual.num_steps, Constant(w), usual.thresholding)
    sampler = load("sampler", distilled.samplers[-1])()
    return StageSettings(sampler, distilled.steps, Constant(w), usual.thresholding)
