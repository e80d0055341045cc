"""What the tests of training share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ivbench import registry
from tests.unit.train.students import write_teacher
from tests.unit.train.tiny import Tiny


@pytest.fixture
def tiny() -> type[Tiny]:
    """Recipes, stages and encoders of a tiny cascade."""
    return Tiny


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Sums in one order, whatever the machine."""
    torch = pytest.importorskip("torch")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def zoo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A zoo with the cascade `tiny`, whose text encoder is a random table."""
    monkeypatch.setitem(registry._targets("text_encoder"), "t5", "tests.unit.train.tiny:RandomEncoder")
    write_teacher(tmp_path / "zoo")
    return tmp_path / "zoo"
