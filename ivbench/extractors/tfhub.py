"""TensorFlow's modules in a process of their own, so that it shares no libraries and no memory with PyTorch's."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import weakref
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ivbench.errors import ConfigError, MissingDependencyError, UnreadableError
from ivbench.extractors import tfhub_worker

__all__ = ["PYTHON_VARIABLE", "TensorFlowProcess", "folder_of", "unpacked"]

PYTHON_VARIABLE = "IVBENCH_TFHUB_PYTHON"
"""Names a Python with TensorFlow, where this one has none."""
_PROGRAM = Path(tfhub_worker.__file__)


class TensorFlowProcess:
    """A module of TF-Hub, or a SavedModel, loaded once in another process that ends with this object.

    Args:
        module: its folder.
        input_name, output_name: see `ivbench.extractors.tfhub_worker.main`.

    Raises:
        MissingDependencyError: that Python has no TensorFlow.
        ConfigError: the folder is no such module, or has no such tensors; or no such Python.
    """

    def __init__(self, module: Path, input_name: str, output_name: str) -> None:
        self._module = module
        self._folder = folder_of(self)
        command = [os.environ.get(PYTHON_VARIABLE) or sys.executable, str(_PROGRAM), str(module)]
        try:
            self._process = subprocess.Popen(
                [*command, input_name, output_name],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
        except OSError as error:
            raise ConfigError(f"{PYTHON_VARIABLE} is {command[0]}, which does not start: {error.strerror}.") from None
        self._end = weakref.finalize(self, _end, self._process)
        self._expect("ready")

    def run(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """The module's output for a batch, float32.

        Raises:
            ConfigError: the module does not take it; says TensorFlow's reason.
        """
        source, place = (self._folder / name for name in ("batch.npy", "features.npy"))
        np.save(source, batch)
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(f"{source}\t{place}\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass  # it has ended: what it said last is read below
        self._expect("done")
        return np.asarray(np.load(place), np.float32)

    def _expect(self, word: str) -> None:
        assert self._process.stdout is not None
        reply = self._process.stdout.readline().rstrip("\n")
        if reply == word:
            return
        self._end()
        kind, _, said = reply.removeprefix("error\t").partition("\t")
        if kind == "ModuleNotFoundError" and "tensorflow" in said:
            raise MissingDependencyError("tensorflow", "tfhub")
        reason = f"{kind}: {said}" if reply else "its process ended without a word; is there enough memory?"
        raise ConfigError(f"TensorFlow can't run {self._module}: {reason}")


def folder_of(owner: object) -> Path:
    """A new folder that is there as long as its owner."""
    folder = Path(tempfile.mkdtemp(prefix="ivbench-tfhub-"))
    weakref.finalize(owner, shutil.rmtree, folder, ignore_errors=True)
    return folder


def unpacked(path: Path, into: Path) -> Path:
    """The folder of a module: itself, or what its archive (.tar.gz) holds, unpacked.

    Args:
        path: folder or archive.
        into: an empty folder for an archive's files.

    Raises:
        UnreadableError: no archive, or one that reaches out of its folder.
    """
    if path.is_dir():
        return path
    try:
        with tarfile.open(path) as archive:
            archive.extractall(into, filter="data")
    except (tarfile.TarError, OSError, EOFError) as error:
        raise UnreadableError(f"{path} is no archive of a TF-Hub module: {error}. Fetch it again.") from None
    return into


def _end(process: subprocess.Popen[str]) -> None:
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()
    process.kill()
    process.wait()
