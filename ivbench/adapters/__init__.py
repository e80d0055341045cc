"""The doors through which cascades come in."""

from ivbench.adapters.base import Cascade, open_cascade
from ivbench.adapters.text import open_text_encoder

__all__ = ["Cascade", "open_cascade", "open_text_encoder"]
