"""Evaluation and benchmarking of text-to-video diffusion cascades in the manner of Imagen Video."""
