"""A zoo of two cards that the tests of the command line make for themselves."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

CARD = """\
name: {name}
kind: {kind}
description: A card of the test
licence: Apache-2.0
{rest}files:
  weights.safetensors: {{sha256: "{digest}", bytes: 5}}
details:
  steps: 12
  measured:
    colour: 0.97
  limits: [small, slow]
"""
CASCADE = """\
name: tiny
text: {encoder: t5-mini, dim: 8, length: 4}
stages:
  - name: base
    kind: base
    frames: 4
    height: 12
    width: 20
    fps: 3
    unet:
      channels: 32
      multipliers: [1]
      blocks: [1]
      spatial_attention: [false]
      temporal: [attention]
      text_dim: 8
      embedding_dim: 16
"""


def add_card(zoo: Path, name: str, kind: str, rest: str = "") -> Path:
    folder = zoo / name
    folder.mkdir(parents=True)
    (folder / "weights.safetensors").write_bytes(b"12345")
    digest = hashlib.sha256(b"12345").hexdigest()
    (folder / "card.yaml").write_text(CARD.format(name=name, kind=kind, rest=rest, digest=digest))
    return folder


@pytest.fixture
def zoo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("IVBENCH_ZOO", str(tmp_path))
    add_card(tmp_path, "seer", "probe")
    cascade = add_card(tmp_path, "tiny", "cascade", "text_encoder: t5-mini\nweights: {base: weights.safetensors}\n")
    (cascade / "cascade.yaml").write_text(CASCADE)
    return tmp_path
