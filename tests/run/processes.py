"""The command in processes of its own, on a zoo of random weights."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.run.tiny_zoo import SUITE

__all__ = ["assert_one_line", "environment", "ivbench", "suite_file"]


def environment(zoo: Path, folder: Path) -> dict[str, str]:
    """A process's: the zoo, and the store in a folder."""
    return {
        **os.environ,
        "IVBENCH_ZOO": str(zoo),
        "IVBENCH_STORE": str(folder / "store"),
        "HF_HUB_OFFLINE": "1",
        "CI": "1",
    }


def ivbench(zoo: Path, folder: Path, *arguments: str, code: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own, in a folder, with the store beside it."""
    start = [sys.executable, "-c", code] if code else [sys.executable, "-m", "ivbench"]
    return subprocess.run(
        [*start, *arguments],
        cwd=folder,
        env=environment(zoo, folder),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def suite_file(folder: Path, **changes: Any) -> str:
    (folder / "suite.yaml").write_text(json.dumps({**SUITE, **changes}))
    return "suite.yaml"


def assert_one_line(done: subprocess.CompletedProcess[str], *said: str) -> None:
    """A user's mistake: exit code 2, one line that says it, no traceback."""
    assert done.returncode == 2, done.stderr
    errors = [line for line in done.stderr.splitlines() if line.startswith("Error: ")]
    assert len(errors) == 1, done.stderr
    assert "Traceback" not in done.stderr
    for text in said:
        assert text in errors[0]
