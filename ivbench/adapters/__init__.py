"""The doors through which cascades come in."""

from ivbench.adapters.base import Cascade, open_cascade
from ivbench.adapters.denoiser import Denoise, DenoiserCascade
from ivbench.adapters.text import open_text_encoder

__all__ = ["Cascade", "Denoise", "DenoiserCascade", "open_cascade", "open_text_encoder"]
