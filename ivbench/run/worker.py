"""A worker: does units with the models that it holds, over the store that it shares with others."""

from __future__ import annotations

from ivbench.errors import NonFiniteError
from ivbench.run.features import Features
from ivbench.run.job import Job
from ivbench.run.sampling import Sampling
from ivbench.run.scoring import Scoring
from ivbench.run.units import Done, ModelKey, Unit

__all__ = ["Worker"]


class Worker:
    """The steps of a job in one process.

    Args:
        job: the plan in execution.

    Attributes:
        job: the same.
        sampling, features, scoring: its steps.
    """

    def __init__(self, job: Job) -> None:
        self.job = job
        self.sampling = Sampling(job)
        self.features = Features(job, self.sampling)
        self.scoring = Scoring(job, self.features)
        self._loaded: set[ModelKey] = set()

    def do(self, unit: Unit, batch: int | None = None) -> Done:
        """Do a unit: its entry is in the store afterwards, found or computed, or it has a problem.

        Args:
            unit: what to do.
            batch: at most so many videos in one batch; None: a whole block.

        Raises:
            IvbenchError: a file is missing, altered or does not fit, or the store cannot be written.
        """
        self.sampling.batch = batch
        before, problem = len(self.job.computed), ""
        try:
            self._make(unit)
        except NonFiniteError as error:
            if unit.kind == "load":
                raise
            problem = str(error)
        if unit.model:
            self._loaded.add(unit.model)
        return Done(problem, tuple(self.job.computed[before:]), loaded=frozenset(self._loaded))

    def _make(self, unit: Unit) -> None:
        match unit.kind:
            case "load":
                self._load(unit.model)
            case "encode" | "input" | "sample":
                self.sampling.make(unit.key)
            case "extract":
                self.features.make(unit.key)
            case "reference":
                self.features.make_reference(unit.key)
            case "truth":
                self.scoring.make_truth(unit.key)
            case "score":
                self.scoring.make(unit.key)

    def _load(self, model: ModelKey) -> None:
        match model:
            case ("stage", weights, stage):
                self.job.models.stage_model(weights, stage)
            case ("generator",):
                self.job.models.loaded_generator  # noqa: B018 - loads
            case ("extractor", name):
                self.features.load(name)
            case _:
                self.job.models.cascade.text_encoder()
