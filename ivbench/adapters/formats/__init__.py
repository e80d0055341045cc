"""Checkpoint files and folders of other projects: one file a format, each a nested tree of NumPy arrays to the rest.

No format runs code that a file holds, unless the user passes `--trust-pickle`.
"""

from ivbench.adapters.formats.base import CheckpointFormat, format_of, formats

__all__ = ["CheckpointFormat", "format_of", "formats"]
