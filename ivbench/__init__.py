"""Evaluation and benchmarking of text-to-video diffusion cascades in the manner of Imagen Video."""

from __future__ import annotations

__all__ = ["__version__"]


def __getattr__(name: str) -> str:
    """`__version__`, read from the installed distribution when it's asked for, so that importing ivbench is free."""
    if name != "__version__":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib.metadata import version

    return version(__name__)
