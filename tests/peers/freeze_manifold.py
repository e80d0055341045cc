"""Write the packages' precision, recall, density and coverage of fixed features to tests/golden.

In their environment: python tests/peers/freeze_manifold.py
"""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from prdc import compute_prdc
from torch_fidelity.metric_prc import calculate_precision_recall_full

GOLDEN = Path(__file__).parents[1] / "golden" / "manifold.json"
COMMAND = "tox exec -e peers -- python tests/peers/freeze_manifold.py"


def main() -> None:
    """Ask both packages of the same features: standard normal ones, and ones of another place and width."""
    draw = np.random.default_rng(7)
    reference, generated = draw.normal(size=(90, 6)), draw.normal(0.4, 0.8, (70, 6))
    precision, recall = calculate_precision_recall_full(torch.from_numpy(generated), torch.from_numpy(reference), 3)
    record = {
        "command": COMMAND,
        "source": {name: version(name) for name in ("prdc", "torch-fidelity")},
        "features": "default_rng(7): normal(size=(90, 6)), then normal(0.4, 0.8, (70, 6)) of the generated",
        "prdc, 5 neighbours": {key: float(value) for key, value in compute_prdc(reference, generated, 5).items()},
        "torch-fidelity, 3 neighbours": {"precision": precision, "recall": recall},
    }
    GOLDEN.write_text(json.dumps(record, indent=2, sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
