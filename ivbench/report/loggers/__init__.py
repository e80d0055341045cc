"""Results in experiment trackers: one file a tracker, registered under the kind `logger`."""

from ivbench.report.loggers.base import Logged, log, require

__all__ = ["Logged", "log", "require"]
