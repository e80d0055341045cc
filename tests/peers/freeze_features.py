"""Write the packages' precision, recall, density, coverage and CMMD of fixed features to tests/golden.

In their environment: python tests/peers/freeze_features.py
"""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from clip_mmd.calculation import mmd
from prdc import compute_prdc
from torch_fidelity.metric_prc import calculate_precision_recall_full

GOLDEN = Path(__file__).parents[1] / "golden" / "features.json"
COMMAND = "tox exec -e peers -- python tests/peers/freeze_features.py"


def main() -> None:
    """Ask the packages of the same features: standard normal ones, and ones of another place and width."""
    draw = np.random.default_rng(7)
    reference, generated = draw.normal(size=(90, 6)), draw.normal(0.4, 0.8, (70, 6))
    precision, recall = calculate_precision_recall_full(torch.from_numpy(generated), torch.from_numpy(reference), 3)
    record = {
        "command": COMMAND,
        "source": {name: version(name) for name in ("clip-mmd", "prdc", "torch-fidelity")},
        "features": "default_rng(7): normal(size=(90, 6)), then normal(0.4, 0.8, (70, 6)) of the generated",
        "prdc, 5 neighbours": {key: float(value) for key, value in compute_prdc(reference, generated, 5).items()},
        "clip-mmd, of the features divided by their lengths": float(mmd(_unit(generated), _unit(reference))),
        "torch-fidelity, 3 neighbours": {"precision": precision, "recall": recall},
    }
    GOLDEN.write_text(json.dumps(record, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def _unit(rows: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(rows / np.linalg.norm(rows, axis=1, keepdims=True))


if __name__ == "__main__":
    main()
