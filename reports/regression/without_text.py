"""Write a copy of a cascade that no longer reads its text: every weight that takes text embeddings in is 0.

python without_text.py CASCADE_FOLDER NEW_FOLDER
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import numpy as np
import yaml
from safetensors.numpy import load_file, save_file

from ivbench.config import file_digest


def without_text(cascade: Path, made: Path) -> Path:
    """Copy a cascade's folder to `made`, a folder of the same name, without its text; return `made`."""
    shutil.copytree(cascade, made)
    card = yaml.safe_load((made / "card.yaml").read_text())
    for name in card["weights"].values():
        weights = load_file(made / name)
        assert any(".text." in key for key in weights)
        dropped = {key: np.zeros_like(value) if ".text." in key else value for key, value in weights.items()}
        save_file(dropped, made / name)
        card["files"][name] = {"sha256": file_digest(made / name), "bytes": (made / name).stat().st_size}
    (made / "card.yaml").write_text(yaml.safe_dump(card))
    return made


if __name__ == "__main__":
    without_text(Path(sys.argv[1]), Path(sys.argv[2]))
