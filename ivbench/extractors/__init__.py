"""Extractors: frames or clips to features. `load_extractor(folder)` is the door; no framework is imported before."""

from ivbench.extractors.base import Extractor, ImageTextExtractor, ManyExtractor, load_extractor
from ivbench.extractors.weights import Weights, find_weights

__all__ = ["Extractor", "ImageTextExtractor", "ManyExtractor", "Weights", "find_weights", "load_extractor"]
