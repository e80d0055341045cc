"""Puts this folder on the path: torch-fidelity installs a package called `tests`, which hides ours."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
