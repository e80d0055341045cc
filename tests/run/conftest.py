"""What the runner's tests share: one environment, whatever is committed beside them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from ivbench.run import job
from ivbench.run.environment import describe_environment


@pytest.fixture(scope="session", autouse=True)
def _one_environment() -> Iterator[None]:
    """A commit between two runs would be another environment, and sampling time would be measured again.

    Nothing here must survive a power cut, so nothing waits for the disk.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda handle: None)
        patch.setattr(job, "describe_environment", cache(describe_environment))
        yield


@pytest.fixture(scope="session")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A zoo of random weights; see `tests.run.tiny_zoo`."""
    pytest.importorskip("torch")
    pytest.importorskip("open_clip")
    from tests.run.tiny_zoo import build

    folder = tmp_path_factory.mktemp("zoo")
    build(folder)
    return folder
