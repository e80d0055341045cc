"""Where arrays live and networks run. A framework is imported only by the file that carries its name."""

__all__: list[str] = []
