"""Executors: where a run's units are done. `inline` in this process, `ray` by workers on one machine or many."""

from ivbench.run.executors.base import Executor, Resources
from ivbench.run.executors.inline import InlineExecutor

__all__ = ["Executor", "InlineExecutor", "Resources"]
