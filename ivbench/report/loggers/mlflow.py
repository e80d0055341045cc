"""MLflow: an experiment a project, a run for the results file and one nested in it for each cell."""

from __future__ import annotations

from ivbench.report.loggers.base import Logged, Logger, facts, lines

__all__ = ["MLFLOW"]


def _write(logged: Logged) -> str:
    """Log params, metrics and files to the tracking server or database `place` (default: MLflow's own)."""
    import mlflow

    if logged.place is not None:
        mlflow.set_tracking_uri(logged.place)
    mlflow.set_experiment(logged.project)
    with mlflow.start_run(run_name=logged.name) as run:
        mlflow.log_params(facts(logged.results))
        for path in (logged.source, logged.source.with_name("results.csv"), logged.report):
            if path is not None and path.is_file():
                mlflow.log_artifact(str(path))
        for line in lines(logged.results):
            with mlflow.start_run(run_name=line.label, nested=True):
                mlflow.log_params({**line.settings, **line.about})
                mlflow.log_metrics(line.values)
    return f"run {run.info.run_id} in {mlflow.get_tracking_uri()}"


MLFLOW = Logger("mlflow", "mlflow", _write)
