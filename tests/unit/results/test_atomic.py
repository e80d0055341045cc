"""Whole or absent, and no device is replaced by a file."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from ivbench.errors import StoreError
from ivbench.results.atomic import write_bytes

pytestmark = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")


def test_a_pipe_is_written_to_and_stays_a_pipe(tmp_path: Path) -> None:
    pipe, found = tmp_path / "pipe", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: found.append(pipe.read_bytes()), daemon=True)
    reader.start()
    write_bytes(pipe, b"all of it")
    assert pipe.is_fifo()
    reader.join(timeout=10)
    assert found == [b"all of it"]


def test_our_own_output_may_be_a_file_and_is_not_written_over(tmp_path: Path) -> None:
    code = (
        "from pathlib import Path; from ivbench.results.atomic import write_bytes\n"
        "print('before', flush=True); write_bytes(Path('/dev/stdout'), b'it\\n'); print('after')"
    )
    with (tmp_path / "log").open("wb") as log:
        subprocess.run([sys.executable, "-c", code], stdout=log, check=True)
    assert (tmp_path / "log").read_text() == "before\nit\nafter\n"


def test_a_device_that_takes_nothing_is_an_error_and_stays_a_device(tmp_path: Path) -> None:
    full = tmp_path / "full"
    full.symlink_to("/dev/full")
    if not full.is_char_device():
        pytest.skip("this system has no /dev/full")
    with pytest.raises(StoreError, match="Free space"):
        write_bytes(full, b"x")
    assert full.is_char_device()
    assert [path.name for path in tmp_path.iterdir()] == ["full"]
