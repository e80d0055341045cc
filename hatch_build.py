"""Puts the shipped data into the wheel: `zoo/` and `reports/` become `ivbench/_data/zoo` and `ivbench/_data/reports`.

An editable install gets none of it: it reads the checkout's own folders, which a copy in site-packages would shadow.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

DATA_FOLDERS = ("zoo", "reports")
SUFFIXES = frozenset(
    {".csv", ".html", ".json", ".md", ".model", ".npz", ".png", ".safetensors", ".svg", ".txt", ".webp", ".yaml"}
)
LEFT_OUT = frozenset({"checkpoints", "logs", "runs"})


class ShippedData(BuildHookInterface):  # type: ignore[type-arg]
    """Adds the data files, by an allow-list of suffixes, so that a training run's leavings are never published."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Fill hatchling's table of forced files; does nothing for an editable build."""
        if version == "editable":
            return
        root = Path(self.root)
        for folder in DATA_FOLDERS:
            for path in sorted((root / folder).rglob("*")):
                inside = path.relative_to(root)
                hidden = any(part.startswith(".") for part in inside.parts)
                if path.is_file() and path.suffix in SUFFIXES and not hidden and LEFT_OUT.isdisjoint(inside.parts):
                    build_data["force_include"][str(path)] = f"ivbench/_data/{inside.as_posix()}"
