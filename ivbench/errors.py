"""The exceptions that ivbench raises on purpose.

IvbenchError                 a user's mistake or an environment's lack; exit code 2, one line, no traceback
 +-- ConfigError             a suite, card, recipe or option is wrong (unknown key, wrong type, out of range)
 +-- ShapeError              arrays or stages do not fit together; says both shapes
 +-- MissingFileError        a file or folder that was asked for is not there
 +-- MissingDependencyError  an optional library is needed; says the pip line
 +-- DigestError             a file's content is not what its card or manifest says
 +-- StoreError              the store cannot be read or written
 +-- UnreadableError         a video or image cannot be decoded
 +-- NonFiniteError          NaN or infinity in weights, samples or features
 +-- ExecutorError           workers cannot be had, or were lost too often
 +-- ProtocolError           two numbers of different protocols were set against each other
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = [
    "ConfigError",
    "DigestError",
    "ExecutorError",
    "IvbenchError",
    "MissingDependencyError",
    "MissingFileError",
    "NonFiniteError",
    "ProtocolError",
    "ShapeError",
    "StoreError",
    "UnreadableError",
    "did_you_mean",
]


class IvbenchError(Exception):
    """Base of every error with a one-line message: what we got, what is allowed, what to do."""

    exit_code = 2


class ConfigError(IvbenchError):
    """A suite, card, recipe or option is wrong."""


class ShapeError(IvbenchError):
    """Arrays or stages do not fit together."""


class MissingFileError(IvbenchError):
    """A file or folder that was asked for is not there."""


class MissingDependencyError(IvbenchError):
    """An optional library is needed and not installed."""

    def __init__(self, library: str, extra: str) -> None:
        super().__init__(f'{library} is needed for this and is not installed. Run: pip install "ivbench[{extra}]"')
        self.library, self.extra = library, extra

    def __reduce__(self) -> tuple[type[MissingDependencyError], tuple[str, str]]:
        """So that a worker's error reaches another process."""
        return type(self), (self.library, self.extra)


class DigestError(IvbenchError):
    """A file's content is not what its card or manifest says."""


class StoreError(IvbenchError):
    """The store cannot be read or written."""


class UnreadableError(IvbenchError):
    """A video or image cannot be decoded."""


class NonFiniteError(IvbenchError):
    """NaN or infinity in weights, samples or features."""


class ExecutorError(IvbenchError):
    """Workers cannot be had, or were lost too often."""


class ProtocolError(IvbenchError):
    """Two numbers of different protocols were set against each other."""


def did_you_mean(name: str, allowed: Iterable[str]) -> str:
    """A hint for a misspelt name: ' Did you mean "x"?', or the allowed names when nothing is near.

    Args:
        name: what we got.
        allowed: the names that exist.

    Returns:
        A sentence that begins with a space, ready to be appended to a message.
    """
    names = sorted(allowed)
    near = difflib.get_close_matches(name, names, n=1)
    if near:
        return f' Did you mean "{near[0]}"?'
    return f" Allowed: {', '.join(names)}."
