"""The largest memory in use while a block runs: the device's where it counts, else the process's resident size."""

from __future__ import annotations

import os
import threading
from typing import Any

__all__ = ["PeakMemory", "counts_on_device"]

_POLL = 0.02


def counts_on_device(backend: str, device: str) -> bool:
    """Whether a device counts its memory: CUDA in PyTorch, every accelerator in JAX."""
    kind = device.partition(":")[0]
    return kind != "cpu" if backend == "jax" else kind == "cuda"


class PeakMemory:
    """Measures while the block runs; `peak` then holds bytes. JAX counts from the start of the process.

    Args:
        backend: torch or jax.
        device: its name there.
    """

    def __init__(self, backend: str, device: str) -> None:
        self.peak = 0
        self._backend, self._device = backend, device
        self._counted = counts_on_device(backend, device)
        self._done = threading.Event()

    def __enter__(self) -> PeakMemory:
        if not self._counted:
            import psutil

            self._process: Any = psutil.Process(os.getpid())
            self._look()
            self._thread = threading.Thread(target=self._watch, daemon=True)
            self._thread.start()
        elif self._backend == "torch":
            import torch

            torch.cuda.reset_peak_memory_stats(self._device)
        return self

    def __exit__(self, *_: object) -> None:
        if self._counted:
            self.peak = self._of_device()
            return
        self._done.set()
        self._thread.join()
        self._look()

    def _of_device(self) -> int:
        if self._backend == "jax":
            from ivbench.backends.jax_backend import available_device, peak_memory

            return peak_memory(available_device(self._device)) or 0
        import torch

        return int(torch.cuda.max_memory_allocated(self._device))

    def _look(self) -> None:
        self.peak = max(self.peak, int(self._process.memory_info().rss))

    def _watch(self) -> None:
        while not self._done.wait(_POLL):
            self._look()
