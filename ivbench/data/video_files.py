"""Videos and images from folders: which files there are, and the frames of one of them as uint8.

for path in find_videos(folder):
    video = read_video(path)        # video.frames [T, H, W, 3] uint8, video.fps

One item is: a video file (mp4, m4v, mov, mkv, webm, avi; these need PyAV), an animation (gif, webp), an array (npy,
npz; never unpickled), a subfolder of numbered images (one video, a frame an image), a zip of such images, or an image
that lies in the folder itself (a video of one frame: of a TIFF of several pages, a PNG that moves, or a JPEG with a
preview behind it, the first picture).
"""

from __future__ import annotations

import re
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path, PurePath, PurePosixPath
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageSequence

from ivbench.data.cut_off import is_cut_off
from ivbench.errors import ConfigError, MissingDependencyError, MissingFileError, ShapeError, UnreadableError

__all__ = [
    "ANIMATIONS",
    "ARRAYS",
    "FRAMES_FOLDER",
    "IMAGES",
    "OTHERS",
    "VIDEOS",
    "ZIP",
    "SortKey",
    "Video",
    "by_text",
    "find_videos",
    "images_in",
    "natural",
    "other_kinds",
    "read_video",
]

VIDEOS = frozenset({".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi"})
ANIMATIONS = frozenset({".gif", ".webp"})
ARRAYS = frozenset({".npy", ".npz"})
IMAGES = frozenset({".bmp", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff"})
FRAMES_FOLDER = "a folder of images"
ZIP = ".zip"
OTHERS = frozenset(
    {".3gp", ".avif", ".exr", ".flv", ".heic", ".jfif", ".jp2", ".jxl", ".mpeg", ".mpg", ".ogv", ".tga", ".ts", ".wmv"}
)
"""Kinds of images and videos that are not read."""
_ONE_FILE = VIDEOS | ANIMATIONS | ARRAYS
_KEYS = ("video", "frames", "arr_0")
_DEEP = ("I", "F")
"""Pillow's modes of images with more than 8 bits a channel begin so."""
_NO_TURN = 2**6
"""Of 2^16: smaller parts of a display matrix are rounding."""

Frames = NDArray[np.uint8]
SortKey = Callable[[PurePath], Any]


@dataclass(frozen=True, eq=False)
class Video:
    """What a file holds.

    Attributes:
        frames: [T, H, W, 3] uint8, T >= 1.
        fps: frames a second, the mean where the file varies them; None where it does not say.
    """

    frames: Frames
    fps: float | None = None


def natural(path: PurePath) -> tuple[tuple[int, int, str], ...]:
    """Sort key in which frame_2 comes before frame_10; equal numbers of other widths (01, 1) by their text."""
    parts = re.split(r"(\d+)", path.as_posix())
    return tuple((0, int(part), part) if part.isdecimal() else (1, 0, part) for part in parts if part)


def by_text(path: PurePath) -> str:
    """Sort key of packages that sort names: frame_10 comes before frame_2."""
    return path.as_posix()


def find_videos(folder: Path, key: SortKey = natural) -> list[Path]:
    """Every video and image below a folder, in natural order of their paths.

    Hidden files and folders, and files of other kinds, are passed over; so is a zip without an image or a video.

    Args:
        folder: a folder, or one file that counts as an item.
        key: of another order.

    Returns:
        Paths that `read_video` takes: files, and subfolders whose images are the frames of one video.

    Raises:
        MissingFileError: no such folder, or nothing in it.
        ConfigError: a file of another kind was named.
    """
    if folder.is_file():
        if folder.suffix.lower() not in _ONE_FILE | IMAGES | {ZIP}:
            raise ConfigError(f"{folder} is no video or image that we read. Allowed: {_allowed()}.")
        return [folder]
    if not folder.is_dir():
        raise MissingFileError(f"{folder} is not there. Name a folder of videos or images.")
    found = list(_items(folder, folder))
    if not found:
        raise MissingFileError(f"{folder} holds no video and no image. Allowed: {_allowed()}.")
    return sorted(found, key=lambda path: key(path.relative_to(folder)))


def other_kinds(folder: Path) -> dict[str, int]:
    """How many images and videos below a folder are of each kind that `find_videos` passes over: {"avif": 3}."""
    kinds = (path.suffix.lower() for path in folder.rglob("*") if not path.name.startswith("."))
    counts = Counter(kind for kind in kinds if kind in OTHERS)
    return {kind[1:]: counts[kind] for kind in sorted(counts)}


def read_video(path: Path, limit: int | None = None, key: SortKey = natural) -> Video:
    """The frames of one item of `find_videos`.

    Grey images become RGB, transparency is dropped (not composed). A video file's display matrix is applied: frames
    are turned and mirrored as players show them. Frames of a folder go in natural order of their names.

    Args:
        path: a file, a folder of images, or a zip of them.
        limit: decode no more than the first `limit` frames.
        key: of another order of a folder's or a zip's frames.

    Raises:
        MissingFileError: it is not there.
        UnreadableError: it cannot be decoded, is cut off, or holds no frame.
        ShapeError: an array that is no video, or frames of different sizes.
        MissingDependencyError: a video file, and PyAV is not installed.
    """
    if not path.exists():
        raise MissingFileError(f"{path} is not there. Name a video, an image or a folder of images.")
    suffix = path.suffix.lower()
    if path.is_dir():
        return Video(_stacked(path, _folder_frames(path, limit, key)))
    if suffix in ARRAYS:
        return _read_array(path, limit)
    if suffix in VIDEOS:
        return _read_av(path, limit)
    if suffix == ZIP:
        return Video(_stacked(path, _zipped_frames(path, limit, key)))
    if suffix in IMAGES:
        return Video(_stacked(path, _pillow_frames(path, 1)))
    if suffix in ANIMATIONS:
        return _read_animation(path, limit)
    raise ConfigError(f"{path} is no video or image that we read. Allowed: {_allowed()}.")


def _allowed() -> str:
    return ", ".join(sorted(suffix[1:] for suffix in _ONE_FILE | IMAGES)) + f", {FRAMES_FOLDER} or a zip of one"


def _items(folder: Path, root: Path) -> Iterator[Path]:
    images = False
    for entry in sorted(folder.iterdir()):
        suffix = entry.suffix.lower()
        if entry.name.startswith("."):
            continue
        if entry.is_dir():
            yield from _items(entry, root)
        elif suffix in _ONE_FILE or (suffix in IMAGES and folder == root) or (suffix == ZIP and _shows(entry)):
            yield entry
        else:
            images = images or suffix in IMAGES
    if images:
        yield folder


def images_in(folder: Path) -> list[Path]:
    """The images in a folder itself, hidden ones left out, in no order."""
    return [path for path in folder.iterdir() if path.suffix.lower() in IMAGES and not path.name.startswith(".")]


def _folder_frames(folder: Path, limit: int | None, key: SortKey) -> Iterator[Frames]:
    for path in islice(sorted(images_in(folder), key=key), limit):
        yield from _pillow_frames(path, 1)


def _shows(archive: Path) -> bool:
    """Whether a zip has something to be seen; of one that cannot be opened this is said when it is read."""
    try:
        return bool(_zipped(archive))
    except UnreadableError:
        return True


def _zipped(archive: Path, key: SortKey = natural) -> list[PurePosixPath]:
    """The images and videos in a zip, in order."""
    try:
        with zipfile.ZipFile(archive) as opened:
            names = [PurePosixPath(name) for name in opened.namelist()]
    except (OSError, zipfile.BadZipFile) as error:
        raise UnreadableError(f"{archive} cannot be unpacked: {error}. Make it again, or take it out.") from None
    seen = [name for name in names if name.suffix.lower() in _ONE_FILE | IMAGES and not _is_hidden(name)]
    return sorted(seen, key=key)


def _is_hidden(name: PurePosixPath) -> bool:
    return any(part.startswith((".", "__MACOSX")) for part in name.parts)


def _zipped_frames(archive: Path, limit: int | None, key: SortKey) -> Iterator[Frames]:
    names = _zipped(archive, key)
    if len({name.parent for name in names}) > 1 or any(name.suffix.lower() in _ONE_FILE for name in names):
        raise UnreadableError(f"{archive} holds more than the images of one video. Unpack it.")
    try:
        with zipfile.ZipFile(archive) as opened:
            for name in names[:limit]:
                with opened.open(str(name)) as file:
                    yield from _pillow_frames(archive / name, 1, file)
    except (zipfile.BadZipFile, zlib.error, RuntimeError, NotImplementedError, EOFError) as error:
        raise UnreadableError(f"{archive} cannot be unpacked: {error}. Make it again, or take it out.") from None


def _stacked(path: Path, frames: Iterator[Frames]) -> Frames:
    """[T, H, W, 3] of frames [H, W, 3] that must have one size."""
    found = list(frames)
    if not found:
        raise UnreadableError(f"{path} holds no frame. Take it out, or make it again.")
    sizes = sorted({frame.shape[:2] for frame in found})
    if len(sizes) > 1:
        (h, w), (h2, w2) = sizes[:2]
        raise ShapeError(
            f"the frames of {path} have different sizes: {h}x{w} and {h2}x{w2}. A video has one size; images that are "
            "no video lie in the folder itself, not below it."
        )
    return np.stack(found)


def _pillow_frames(path: Path, limit: int | None, file: IO[bytes] | None = None) -> Iterator[Frames]:
    """Frames [H, W, 3] of the image at a path, or of an open file that the path names."""
    try:
        with Image.open(file or path) as image:
            for frame in islice(ImageSequence.Iterator(image), limit):
                if frame.mode.startswith(_DEEP):
                    raise UnreadableError(
                        f"{path} has more than 8 bits a channel, which Pillow would cut at 255. Convert it to 8 bits."
                    )
                yield np.asarray(frame.convert("RGB"))
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError) as error:
        raise UnreadableError(f"{path} cannot be decoded: {error}.") from None


def _read_animation(path: Path, limit: int | None) -> Video:
    """Frames by Pillow; frames a second from the durations that the file gives its frames."""
    frames = _stacked(path, _pillow_frames(path, limit))
    if len(frames) == 1:
        return Video(frames)
    with Image.open(path) as image:
        durations = [_duration(frame) for frame in islice(ImageSequence.Iterator(image), limit)]
    total = sum(durations)
    return Video(frames, 1000.0 * len(durations) / total if total > 0 else None)


def _duration(frame: Image.Image) -> float:
    frame.load()  # WebP tells a frame's duration when it is decoded
    return float(frame.info.get("duration", 0))


def _read_array(path: Path, limit: int | None) -> Video:
    try:
        loaded = np.load(path, mmap_mode="r" if path.suffix.lower() == ".npy" else None, allow_pickle=False)
        array, fps = (loaded, None) if isinstance(loaded, np.ndarray) else _member(path, loaded)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        why = str(error).rstrip(".")
        raise UnreadableError(f"{path} cannot be read: {why}. Arrays are read without unpickling.") from None
    array = array[None] if array.ndim == 3 and array.shape[-1] in (1, 3) else array
    array = array[..., None] if array.ndim == 3 else array
    if array.dtype != np.uint8 or array.ndim != 4 or array.shape[-1] not in (1, 3) or 0 in array.shape:
        raise ShapeError(
            f"{path} holds {list(array.shape)} {array.dtype}. A video is [T, H, W, 3] uint8 in [0, 255], one a file."
        )
    frames = np.array(array[:limit])
    return Video(np.repeat(frames, 3, axis=-1) if frames.shape[-1] == 1 else frames, fps)


def _member(path: Path, archive: Any) -> tuple[NDArray[Any], float | None]:
    """The video of an npz: the array called video, frames or arr_0, or its only one beside `fps`."""
    with archive:
        names = [name for name in archive.files if name != "fps"]
        chosen = next((key for key in _KEYS if key in names), names[0] if len(names) == 1 else None)
        if chosen is None:
            held = ", ".join(names) or "no array"
            raise ShapeError(
                f"{path} holds {held}. Call the video one of: {', '.join(_KEYS)}; statistics are called mu and sigma."
            )
        return archive[chosen], float(archive["fps"]) if "fps" in archive.files else None


def _read_av(path: Path, limit: int | None) -> Video:
    """Decode the first video stream: every frame that is stored, whatever its time stamp, upright and in RGB."""
    try:
        import av
    except ModuleNotFoundError:
        raise MissingDependencyError("av", "video") from None
    if is_cut_off(path):
        raise UnreadableError(f"{path} is cut off: its last part is missing. Make it again, or take it out.")
    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise UnreadableError(f"{path} has no video stream. Take it out, or make it again.")
            stream = container.streams.video[0]
            stream.thread_type = "AUTO"
            frames = (_upright(frame, path) for frame in islice(container.decode(stream), limit))
            return Video(_stacked(path, frames), float(stream.average_rate) if stream.average_rate else None)
    except av.FFmpegError as error:
        raise UnreadableError(f"{path} cannot be decoded: {error.strerror}. Make it again, or take it out.") from None


def _upright(frame: Any, path: Path) -> Frames:
    """A decoded frame [H, W, 3] as its display matrix says: phones store what they film turned by quarters.

    A pixel (x, y) is shown at (a x + c y, b x + d y), up to a shift: ISO/IEC 14496-12, 6.2.2; as `ffmpeg` turns it.
    """
    pixels: Frames = frame.to_ndarray(format="rgb24")
    matrix = frame.side_data.get("DISPLAYMATRIX")
    if matrix is None:
        return pixels
    a, b, _, c, d = (int(value) if abs(value) > _NO_TURN else 0 for value in np.frombuffer(matrix, np.int32)[:5])
    if b == c == 0:
        return pixels[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1]
    if a == d == 0:
        return pixels.swapaxes(0, 1)[:: -1 if b < 0 else 1, :: -1 if c < 0 else 1]
    raise UnreadableError(f"{path} is to be shown turned by no multiple of 90 degrees. Make it again, or take it out.")
