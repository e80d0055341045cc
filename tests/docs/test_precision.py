"""The precision page is what its command makes of the measured record, and no difference is larger than promised."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import pytest

from ivbench.config import profile, profile_names

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("precision", ROOT / "tests" / "peers" / "precision.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_made_from_the_record(tool: ModuleType) -> None:
    """To write it anew: python tests/peers/precision.py --page."""
    assert tool.PAGE.read_text(encoding="utf-8") == tool.page()


def test_distances_at_convention_sizes_are_the_packages(tool: ModuleType) -> None:
    """And ours are within the promised 1e-9 of what singular values of the features give."""
    rows = json.loads(tool.CONVENTIONS.read_text(encoding="utf-8"))
    assert set(rows) == {"clips", "images"}
    for row in rows.values():
        assert row["difference"] <= 1e-7, row["what"]
        assert row["own_error"] <= 1e-9, row["what"]


def test_differences_are_as_small_as_promised(tool: ModuleType) -> None:
    for row in json.loads(tool.RECORD.read_text(encoding="utf-8"))["rows"]:
        limit = 1e-4 if "folders" in row["what"] or "output" in row["what"] else 1e-6
        limit = 2e-4 if "root of in float32" in row["reason"] else limit
        assert row["difference"] <= limit, row["what"]
        assert row["reason"] or row["difference"] <= 1e-9, row["what"]


def test_a_profile_says_tested_only_if_the_page_has_its_row(tool: ModuleType) -> None:
    text = tool.PAGE.read_text(encoding="utf-8")
    for name in profile_names():
        if not name.startswith("ivbench"):
            assert bool(profile(name).verified) == (f"profile `{name}`" in text), name
