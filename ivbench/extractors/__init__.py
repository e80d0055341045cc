"""Extractors: frames or clips to features. `load_extractor(folder)` is the door; no framework is imported before."""

from ivbench.extractors.base import Extractor, ImageTextExtractor, load_extractor

__all__ = ["Extractor", "ImageTextExtractor", "load_extractor"]
