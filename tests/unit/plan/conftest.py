"""A small cascade and suite to plan."""

from __future__ import annotations

from typing import Any

import pytest

from ivbench.config import SuiteConfig, parse_cascade, parse_suite
from ivbench.plan import CascadeSource

UNET = {
    "channels": 32,
    "multipliers": [1, 2],
    "blocks": [1, 1],
    "spatial_attention": [False, True],
    "temporal": ["attention", "convolution"],
    "text_dim": 8,
    "embedding_dim": 32,
}
SIZES = {"base": ("base", 4, 4, 3.0), "tsr1": ("tsr", 8, 4, 6.0), "ssr1": ("ssr", 8, 8, 6.0)}


def cascade() -> dict[str, Any]:
    stages = []
    for name, (kind, frames, size, fps) in SIZES.items():
        lifted = {"conditioning": True, "augmentation": True} if kind != "base" else {}
        stages.append(
            {
                "name": name,
                "kind": kind,
                "frames": frames,
                "height": size,
                "width": size,
                "fps": fps,
                "oscillates": name != "ssr1",
                "unet": {**UNET, **lifted},
            }
        )
    return {"name": "tiny", "text": {"encoder": "t5-tiny", "dim": 8, "length": 6}, "stages": stages}


@pytest.fixture
def source() -> CascadeSource:
    return CascadeSource(
        spec=parse_cascade(cascade()),
        weights={name: f"{i:064x}" for i, name in enumerate(SIZES)},
        text_encoder="e" * 64,
    )


@pytest.fixture
def suite() -> SuiteConfig:
    return parse_suite(
        {
            "name": "s",
            "prompts": {"source": "shapes:test", "count": 20},
            "runs": 2,
            "metrics": [{"name": "fvd", "extractor": "v"}, {"name": "clip_score", "extractor": "c"}],
            "defaults": {"steps": {"base": 8, "sr": 4}, "sampler": "ddim", "guidance": 3},
            "grid": {"guidance": [0, 3], "sampler": ["ddim", "ancestral"]},
        }
    )
