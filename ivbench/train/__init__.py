"""Training of stages, text encoders and probes, each from a recipe."""

__all__: list[str] = []
