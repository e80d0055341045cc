"""Another process that holds an entry of a store."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["held_by_another"]

_CODE = """
import sys
from pathlib import Path
from ivbench.results import Store
with Store(Path(sys.argv[1])).lock(sys.argv[2]):
    print("held", flush=True)
    sys.stdin.readline()
"""


@contextmanager
def held_by_another(folder: Path, key: str) -> Iterator[Callable[[], None]]:
    """The block gets a function that ends the other process; after the block it has ended."""
    command = [sys.executable, "-c", _CODE, str(folder), key]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"

        def release() -> None:
            if other.poll() is None:
                other.communicate("\n", timeout=60)

        yield release
        release()
