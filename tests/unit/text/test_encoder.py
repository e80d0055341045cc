"""The door: masked mean and the digest of a folder."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ivbench.errors import MissingFileError, ShapeError
from ivbench.text import masked_mean
from ivbench.zoo import folder_digest


def _folder(root: Path) -> Path:
    for name in ("config.json", "tokenizer.json", "model.safetensors"):
        (root / name).write_text(name)
    return root


def test_masked_mean_ignores_padding_even_where_it_is_not_finite() -> None:
    tokens = np.array([[[1, 2], [3, 4], [np.nan, np.inf]]], np.float32)
    pooled = masked_mean(tokens, np.array([[True, True, False]]))
    assert pooled.dtype == np.float32
    np.testing.assert_array_equal(pooled, [[2, 3]])


def test_masked_mean_refuses_a_row_without_tokens() -> None:
    with pytest.raises(ShapeError, match="no valid token"):
        masked_mean(np.zeros((1, 2, 3), np.float32), np.zeros((1, 2), bool))


def test_masked_mean_refuses_shapes_that_do_not_fit() -> None:
    with pytest.raises(ShapeError, match="differ"):
        masked_mean(np.zeros((1, 2, 3), np.float32), np.ones((1, 3), bool))


def test_folder_digest_is_what_sha256sum_would_give(tmp_path: Path) -> None:
    names = ["config.json", "model.safetensors", "tokenizer.json"]
    lines = "".join(f"{hashlib.sha256(name.encode()).hexdigest()}  {name}\n" for name in names)
    assert folder_digest(_folder(tmp_path)) == hashlib.sha256(lines.encode()).hexdigest()


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "model.safetensors"])
def test_folder_digest_changes_with_every_file_that_decides_the_embeddings(tmp_path: Path, name: str) -> None:
    before = folder_digest(_folder(tmp_path))
    (tmp_path / name).write_text("other")
    assert folder_digest(tmp_path) != before


def test_folder_digest_does_not_cover_the_card(tmp_path: Path) -> None:
    before = folder_digest(_folder(tmp_path))
    (tmp_path / "card.yaml").write_text("name: x")
    assert folder_digest(tmp_path) == before


def test_folder_digest_refuses_pickled_weights(tmp_path: Path) -> None:
    _folder(tmp_path)
    (tmp_path / "model.safetensors").rename(tmp_path / "pytorch_model.bin")
    with pytest.raises(MissingFileError, match="pickled weights are never read"):
        folder_digest(tmp_path)


def test_importing_the_door_loads_no_framework() -> None:
    code = "import ivbench.text, sys; print([m for m in ('torch', 'transformers', 'jax') if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
