"""MLflow: an experiment a project, a run for the results file and one nested in it for each cell."""

from __future__ import annotations

from ivbench.errors import MissingDependencyError, StoreError
from ivbench.report.loggers.base import Logged, facts, values

__all__ = ["to_mlflow"]


def to_mlflow(logged: Logged) -> str:
    """Log params, metrics and files to the tracking server or folder `place` (default: MLflow's own).

    Raises:
        MissingDependencyError: mlflow is not installed.
        StoreError: the server does not answer, or refuses.
    """
    try:
        import mlflow
        from mlflow.exceptions import MlflowException
    except ModuleNotFoundError:
        raise MissingDependencyError("mlflow", "mlflow") from None
    if logged.place is not None:
        mlflow.set_tracking_uri(logged.place)
    try:
        mlflow.set_experiment(logged.project)
        with mlflow.start_run(run_name=logged.name) as run:
            mlflow.log_params(facts(logged.results))
            for path in (logged.source, logged.source.with_name("results.csv"), logged.report):
                if path is not None and path.is_file():
                    mlflow.log_artifact(str(path))
            for cell in logged.results.cells:
                with mlflow.start_run(run_name=cell.label, nested=True):
                    mlflow.log_params({key: str(value) for key, value in cell.settings.items()})
                    mlflow.log_metrics(dict(values(cell)))
    except (MlflowException, OSError) as error:
        where = mlflow.get_tracking_uri()
        raise StoreError(f"MLflow at {where} can't be written: {error}. The results file is kept.") from error
    return f"run {run.info.run_id} in {mlflow.get_tracking_uri()}"
