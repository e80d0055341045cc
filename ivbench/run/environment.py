"""Where a run happens: what decides its bits and its speed."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import ivbench
from ivbench.plan import Execution
from ivbench.results.schema import Environment

__all__ = ["describe_environment"]

_LIBRARIES = ("numpy", "scipy", "torch", "torchvision", "transformers", "tokenizers", "open_clip_torch", "pillow")

_OF_BACKEND = {"jax": ("jax", "jaxlib")}
_OF_ADAPTER = {"diffusers": ("diffusers", "accelerate"), "imagen-pytorch": ("imagen-pytorch",)}


def describe_environment(execution: Execution, adapter: str = "native") -> Environment:
    """This machine and its libraries; imports none of them.

    Args:
        execution: backend, device, dtype.
        adapter: the door that the cascade or generator came through.
    """
    names = (*_LIBRARIES, *_OF_BACKEND.get(execution.backend, ()), *_OF_ADAPTER.get(adapter, ()))
    return Environment(
        ivbench=_version("ivbench"),
        python=platform.python_version(),
        platform=platform.platform(),
        processor=_processor(),
        backend=execution.backend,
        device=execution.device,
        dtype=execution.dtype,
        threads=_threads(execution.backend),
        libraries={name: _version(name) for name in names},
        git=_git(),
    )


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _threads(backend: str) -> int:
    """Threads that a framework starts with: OMP_NUM_THREADS (JAX: NPROC), else the cores that this process may use."""
    asked = os.environ.get("NPROC" if backend == "jax" else "OMP_NUM_THREADS", "")
    if asked.isdigit() and int(asked) > 0:
        return int(asked)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _git() -> str:
    """The commit of the checkout that runs, with + where it has changes; empty outside a checkout."""
    home = Path(ivbench.__file__).resolve().parents[1]
    if not (home / ".git").exists():
        return ""
    try:
        commit = _ask(home, "rev-parse", "--short=12", "HEAD")
        return commit + ("+" if _ask(home, "status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.SubprocessError):
        return ""


def _ask(home: Path, *arguments: str) -> str:
    asked = subprocess.run(["git", "-C", str(home), *arguments], capture_output=True, text=True, check=True, timeout=10)
    return asked.stdout.strip()
