"""Training checkpoints as cascades of their own, so that a suite can measure a stage along its training."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ivbench.config.card import SNAPSHOTS
from ivbench.train.cascade_folder import weights_before, write_cascade_folder
from ivbench.zoo import read_card

if TYPE_CHECKING:
    from ivbench.train.torch_stage import StageTrainer
    from ivbench.zoo import Card

__all__ = ["Snapshots"]


class Snapshots:
    """Leaves `snapshots/CASCADE-STAGE-STEP/` in the training's folder: the averaged weights, and the stages before.

    Args:
        steps: after which.
        cascade: the zoo's name of the cascade that has the stage.
        stage: its name.
        recipe: its name, for the cards.
        zoo: the zoo's folder.

    Raises:
        ConfigError, MissingFileError: there are steps, and the zoo has no card of the cascade, or no weights of a stage
            before this one.
    """

    def __init__(self, steps: tuple[int, ...], cascade: str, stage: str, recipe: str, zoo: Path) -> None:
        self._steps, self._recipe = steps, recipe
        self._card: Card | None = read_card(cascade, zoo) if steps else None
        if self._card is not None:
            weights_before(self._card, stage)

    def after_update(self, trainer: StageTrainer) -> None:
        """Leave a snapshot where one is due; a step that is done again after a kill leaves the same.

        Raises:
            DigestError: the weights of a stage before it are not what the card says.
            NonFiniteError: a weight is NaN or infinity.
            StoreError: the folder cannot be written.
        """
        from ivbench.train.torch_export import half_precision

        if self._card is None or trainer.step not in self._steps:
            return
        name = f"{trainer.recipe.cascade}-{trainer.stage.name}-{trainer.step:06d}"
        about = {"recipe": self._recipe, "batch": trainer.recipe.batch}
        folder = trainer.folder / SNAPSHOTS / name
        weights = half_precision(trainer.average)
        write_cascade_folder(self._card, trainer.stage, weights, about, folder, trainer.step)
