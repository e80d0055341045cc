"""What the tests of training share."""

from __future__ import annotations

import pytest

from tests.unit.train.tiny import Tiny


@pytest.fixture
def tiny() -> type[Tiny]:
    """Recipes, stages and encoders of a tiny cascade."""
    return Tiny
