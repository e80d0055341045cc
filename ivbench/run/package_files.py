"""Files of a folder that the package which a profile is named after would not take: said, not left out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ivbench.config import Profile
from ivbench.data.video_files import images_in
from ivbench.run.folder_items import Item

__all__ = ["package_note"]


def package_note(profile: Profile, side: str, folder: Path, items: Sequence[Item]) -> list[str]:
    """A line where the package takes some of the files and not all; of videos for a package of images it takes none.

    Args:
        profile: with the package's rule, or without one.
        side: generated or reference.
        folder: of the items.
        items: what was scored.
    """
    rule = profile.package_files
    if rule is None or not folder.is_dir():
        return []
    files = [path for item in items for path in (images_in(item.path) if item.path.is_dir() else [item.path])]
    taken = sum(rule.take(path.relative_to(folder)) for path in files)
    if taken in (0, len(files)):
        return []
    case = ", capitals too" if rule.any_case else ""
    below = "of subfolders too" if rule.below else "none of subfolders"
    return [
        f"{profile.source} itself takes {taken} of these {len(files)} {side} files ({', '.join(rule.suffixes)}{case}; "
        f"{below}): its number is another one"
    ]
