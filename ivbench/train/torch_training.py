"""A training that can be killed at any moment: its loop, its log, and checkpoints that resume to the same curve."""

from __future__ import annotations

import json
import math
import os
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Self, TypeVar

import torch
from pydantic import BaseModel, ValidationError
from torch import Tensor

from ivbench.errors import ConfigError, NonFiniteError
from ivbench.nets.torch_video_unet import TorchVideoUNet
from ivbench.results.atomic import write_bytes
from ivbench.train.recipe import OptimizerRecipe
from ivbench.train.torch_checkpoint import read_checkpoint, write_checkpoint
from ivbench.train.torch_optimizer import make_optimizer

__all__ = ["CHECKPOINT", "LOG", "Fact", "Progress", "TorchTraining"]

CHECKPOINT = "checkpoint.pt"
LOG = "log.jsonl"
_STATE = ("step", "seconds", "net", "optimizer")

Progress = Callable[[dict[str, float]], None]
"""Called after each step with its record: step, loss, norm, lr, rate (steps a second), left (seconds)."""

Data = TypeVar("Data")


@dataclass(frozen=True)
class Fact:
    """Something that decides a training: a checkpoint of another is refused.

    Attributes:
        key: in the checkpoint; one without it is old, and taken.
        what: in messages.
        value: how a stage is sampled does not count.
    """

    key: str
    what: str
    value: BaseModel | str | None

    @property
    def written(self) -> str:
        """As the checkpoint holds it."""
        return self.value.model_dump_json() if isinstance(self.value, BaseModel) else self.value or ""

    def holds(self, stored: str | None) -> bool:
        """Whether a checkpoint's is this one."""
        if stored is None:
            return True
        if not isinstance(self.value, BaseModel):
            return stored == self.written
        try:
            other = type(self.value).model_validate_json(stored)
        except ValidationError:
            return False
        return other.model_dump(exclude={"oscillates"}) == self.value.model_dump(exclude={"oscillates"})


class TorchTraining(ABC, Generic[Data]):
    """Trains a net to the last step; everything that it needs to resume lies in `folder`.

    A subclass says which data step i sees, what the loss is and how the learning rate goes; step i may depend on
    nothing but i and the state of net and optimizer.

    Args:
        net: on its device.
        recipe: of the optimizer.
        steps: how many.
        checkpoint_every: steps.
        folder: checkpoint and log; created by the first `run`, or resumed from.
        facts: what decides this training.

    Raises:
        ConfigError: the folder belongs to another training.
        StoreError: the folder's checkpoint is torn.
    """

    def __init__(
        self,
        net: TorchVideoUNet,
        recipe: OptimizerRecipe,
        steps: int,
        checkpoint_every: int,
        folder: Path,
        facts: tuple[Fact, ...],
    ) -> None:
        self.net, self.steps, self.folder = net, steps, folder
        self._clip_norm, self._checkpoint_every, self._facts = recipe.clip_norm, checkpoint_every, facts
        self._optimizer = make_optimizer(net, recipe)
        self.step, self.seconds = 0, 0.0
        folder.mkdir(parents=True, exist_ok=True)
        self._resume()

    @abstractmethod
    def _data(self, step: int) -> Data:
        """What step number `step` learns from."""

    @abstractmethod
    def _loss(self, data: Data) -> Tensor:
        """A scalar."""

    @abstractmethod
    def _learning_rate(self, step: int) -> float:
        """Of step number `step`."""

    def _after_update(self) -> None:
        """What else a step changes."""

    def _extra(self) -> dict[str, Any]:
        """What else a checkpoint holds."""
        return {}

    def _take_extra(self, state: dict[str, Any]) -> None:
        """Resume what `_extra` gave."""

    def run(self, on_step: Progress, on_update: Callable[[Self, bool], object] | None = None) -> None:
        """Train to the last step, or go on from the last checkpoint.

        Args:
            on_step: called with step, loss, rate and seconds left after each step.
            on_update: called after each step, before a checkpoint, with the training and whether it was the last.

        Raises:
            NonFiniteError: the loss has become NaN or infinity.
        """
        self.net.train()
        with (self.folder / LOG).open("a") as log:
            while self.step < self.steps:
                record = self._timed_update()
                log.write(json.dumps(record) + "\n")
                on_step(record)
                last = self.step == self.steps
                if on_update is not None:
                    on_update(self, last)
                if last or self.step % self._checkpoint_every == 0:
                    log.flush()
                    os.fsync(log.fileno())
                    self.save()

    def save(self) -> None:
        """Write the checkpoint: whole, or not at all.

        Raises:
            StoreError: the disk is full, or the folder can't be written.
        """
        state = {fact.key: fact.written for fact in self._facts} | {
            "step": self.step,
            "seconds": self.seconds,
            "net": self.net.state_dict(),
            "optimizer": self._optimizer.state_dict(),
        }
        write_checkpoint(self.folder / CHECKPOINT, state | self._extra())

    def _resume(self) -> None:
        path = self.folder / CHECKPOINT
        if path.is_file():
            state = read_checkpoint(path, (*_STATE, self._facts[0].key, *self._extra()))
            for fact in self._facts:
                if not fact.holds(state.get(fact.key)):
                    raise ConfigError(
                        f"{self.folder} holds a training by another {fact.what}. Give another folder with --out."
                    )
            self.step, self.seconds = state["step"], state["seconds"]
            try:
                self.net.load_state_dict(state["net"])
                self._optimizer.load_state_dict(state["optimizer"])
            except (RuntimeError, ValueError) as error:
                raise ConfigError(
                    f"{path} was written by another version of net or optimizer. Give another folder with --out."
                ) from error
            self._take_extra(state)
        self._cut_log()

    def _cut_log(self) -> None:
        """Drop the log's lines after the checkpoint: those steps are done again."""
        log = self.folder / LOG
        if log.is_file():
            lines = log.read_bytes().splitlines(keepends=True)
            if len(lines) > self.step:
                write_bytes(log, b"".join(lines[: self.step]))

    def _timed_update(self) -> dict[str, float]:
        started = time.perf_counter()
        record = self._update()
        self.step += 1
        self.seconds += time.perf_counter() - started
        rate = self.step / self.seconds
        return record | {"step": self.step, "rate": rate, "left": (self.steps - self.step) / rate}

    def _update(self) -> dict[str, float]:
        for group in self._optimizer.param_groups:
            group["lr"] = self._learning_rate(self.step)
        loss = self._loss(self._data(self.step))
        if not math.isfinite(loss.item()):
            raise NonFiniteError(f"the loss is {loss.item()} at step {self.step}. Lower learning_rate and start anew.")
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(self.net.parameters(), self._clip_norm)
        self._optimizer.step()
        self._after_update()
        return {"loss": loss.item(), "norm": float(norm), "lr": self._optimizer.param_groups[0]["lr"]}
