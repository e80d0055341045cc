"""Prompts, sprite strips of videos, and the shapes domain.

The names of the package's modules are imported from them, so that `prompts` alone costs no image library.
"""

__all__: list[str] = []
