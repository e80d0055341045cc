"""The doors through which cascades come in."""

from ivbench.adapters.base import Cascade, open_cascade

__all__ = ["Cascade", "open_cascade"]
