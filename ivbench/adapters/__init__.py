"""The doors through which cascades, generators and videos come in."""

from ivbench.adapters.base import Cascade, open_cascade
from ivbench.adapters.denoiser import Denoise, DenoiserCascade
from ivbench.adapters.doors import generator_source, is_door, open_door
from ivbench.adapters.generator import Failed, Generator, Request, loaded
from ivbench.adapters.text import open_text_encoder

__all__ = [
    "Cascade",
    "Denoise",
    "DenoiserCascade",
    "Failed",
    "Generator",
    "Request",
    "generator_source",
    "is_door",
    "loaded",
    "open_cascade",
    "open_door",
    "open_text_encoder",
]
