"""The options that say where a command's work is done."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from functools import wraps
from typing import Any

import click

__all__ = ["executor_options"]

_OPTIONS = (
    click.option("--executor", default="inline", show_default=True, help="Who does the work: inline, ray."),
    click.option("--address", help="Of a running Ray cluster: HOST:PORT, or auto.  [default: $RAY_ADDRESS, or none]"),
    click.option("--workers", type=int, help="Ray workers.  [default: as many as there is room for]"),
    click.option("--cpus-per-worker", type=int, help="CPUs that a worker reserves; its threads.  [default: 1]"),
    click.option(
        "--gpus-per-worker", type=float, help="GPUs that a worker reserves; 0.5: two share one.  [default: 1 on cuda]"
    ),
    click.option("--retries", type=int, help="Times that work is done again when its worker is lost.  [default: 3]"),
)


def executor_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that choose an executor; the command gets it as `executor`.

    Raises:
        ConfigError: no such executor, a number out of range, or an option that it does not have.
    """

    @wraps(command)
    def chosen(*args: Any, **kwargs: Any) -> Any:
        from ivbench import registry
        from ivbench.run import Resources

        resources = Resources(**{field.name: kwargs.pop(field.name) for field in fields(Resources)})
        executor = registry.load("executor", kwargs.pop("executor"))(resources)
        try:
            return command(*args, executor=executor, **kwargs)
        finally:
            executor.close()

    found: Callable[..., Any] = chosen
    for option in reversed(_OPTIONS):
        found = option(found)
    return found
