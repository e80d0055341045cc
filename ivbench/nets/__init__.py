"""The Video U-Net in each framework. A framework is imported only by the file that carries its name."""

__all__: list[str] = []
