"""Where the zoo is: `$IVBENCH_ZOO`, else the checkout's `zoo/`, else the copy inside the installed package."""

from __future__ import annotations

import os
from pathlib import Path

import ivbench
from ivbench.errors import MissingFileError

__all__ = ["find_zoo"]

VARIABLE = "IVBENCH_ZOO"


def find_zoo(package: Path | None = None) -> Path:
    """The zoo's folder.

    The code that runs decides: from a checkout or an editable install the package lies beside `pyproject.toml` and
    `zoo/`, and those are meant, whatever copy an older installation left in site-packages. From a wheel it's
    `_data/zoo` inside the package.

    Args:
        package: the package's folder; None: of the ivbench that runs.

    Raises:
        MissingFileError: there's no zoo; says where we looked.
    """
    override = os.environ.get(VARIABLE)
    if override:
        return _existing(Path(override).expanduser(), f"${VARIABLE} names it. Correct or unset the variable")
    home = package if package is not None else Path(ivbench.__file__).resolve().parent
    if _is_checkout(home.parent):
        return _existing(home.parent / "zoo", "The checkout lacks it. Restore it with git")
    return _existing(home / "_data" / "zoo", f"The installation lacks it. Reinstall ivbench, or set ${VARIABLE}")


def _is_checkout(folder: Path) -> bool:
    """Whether this is ivbench's own source tree, and not a folder that happens to hold somebody's project."""
    project = folder / "pyproject.toml"
    return project.is_file() and '\nname = "ivbench"\n' in project.read_text(encoding="utf-8", errors="replace")


def _existing(folder: Path, remedy: str) -> Path:
    if not folder.is_dir():
        raise MissingFileError(f"the zoo {folder} is not there. {remedy}.")
    return folder.resolve()
