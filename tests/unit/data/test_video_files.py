"""Reading videos and images: every format gives the frames that were written, bad files give one clear error."""

import struct
import zipfile
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ivbench.data.video_files import by_text, find_videos, natural, other_kinds, read_video
from ivbench.errors import ConfigError, MissingFileError, ShapeError, UnreadableError


def clip(frames=6, height=16, width=24, seed=0):
    """Smooth moving colours [T, H, W, 3], which lossy codecs keep well."""
    t, y, x = np.meshgrid(np.arange(frames), np.arange(height), np.arange(width), indexing="ij")
    waves = [np.sin(0.2 * x + 0.3 * t + seed), np.cos(0.25 * y - 0.2 * t), np.sin(0.1 * (x + y) + 0.1 * t)]
    return np.rint(127.5 + 100 * np.stack(waves, axis=-1)).astype(np.uint8)


def write_av(path, frames, fps=8, codec="ffv1", pixels="bgr0"):
    av = pytest.importorskip("av")
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=Fraction(fps))
        stream.height, stream.width, stream.pix_fmt = frames.shape[1], frames.shape[2], pixels
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())


def write_folder(folder, frames, pattern="{}.png"):
    folder.mkdir(parents=True)
    for number, frame in enumerate(frames):
        Image.fromarray(frame).save(folder / pattern.format(number))


def test_a_lossless_video_gives_exactly_its_frames(tmp_path):
    write_av(tmp_path / "a.mkv", clip())
    video = read_video(tmp_path / "a.mkv")
    np.testing.assert_array_equal(video.frames, clip())
    assert video.fps == 8


@pytest.mark.parametrize(("name", "codec"), [("a.mp4", "mpeg4"), ("a.webm", "libvpx-vp9"), ("a.avi", "mpeg4")])
def test_a_lossy_video_gives_its_frames_nearly(tmp_path, name, codec):
    write_av(tmp_path / name, clip(), codec=codec, pixels="yuv420p")
    video = read_video(tmp_path / name)
    assert video.frames.shape == clip().shape
    assert abs(video.frames.astype(int) - clip()).mean() < 8
    assert video.fps == pytest.approx(8)


@pytest.mark.parametrize(("name", "options"), [("a.webp", {"lossless": True}), ("a.gif", {})])
def test_an_animation_gives_its_frames_and_rate(tmp_path, name, options):
    images = [Image.fromarray(frame) for frame in clip()]
    images[0].save(tmp_path / name, save_all=True, append_images=images[1:], duration=40, **options)
    video = read_video(tmp_path / name)
    assert video.frames.shape == clip().shape
    assert abs(video.frames.astype(int) - clip()).mean() < (12 if name == "a.gif" else 0.01)
    assert video.fps == pytest.approx(25)


def test_frames_of_a_folder_go_in_the_order_of_their_numbers(tmp_path):
    write_folder(tmp_path / "one", clip(frames=12))
    np.testing.assert_array_equal(read_video(tmp_path / "one").frames, clip(frames=12))


def test_the_order_of_text_is_that_of_packages_that_sort_names(tmp_path):
    frames = clip(frames=12)
    write_folder(tmp_path / "a" / "2", frames)
    write_folder(tmp_path / "a" / "10", frames)
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for number in range(12):
            archive.write(tmp_path / "a" / "2" / f"{number}.png", f"{number}.png")
    expected = frames[[0, 1, 10, 11, 2, 3, 4, 5, 6, 7, 8, 9]]
    for path in (tmp_path / "a" / "2", tmp_path / "a.zip"):
        np.testing.assert_array_equal(read_video(path, key=by_text).frames, expected)
        np.testing.assert_array_equal(read_video(path, 3, by_text).frames, expected[:3])
    assert [path.name for path in find_videos(tmp_path / "a", by_text)] == ["10", "2"]
    assert [path.name for path in find_videos(tmp_path / "a")] == ["2", "10"]


def test_arrays_give_their_frames(tmp_path):
    np.save(tmp_path / "a.npy", clip())
    np.savez(tmp_path / "b.npz", video=clip(), fps=24.0, other=np.zeros(3))
    np.savez_compressed(tmp_path / "c.npz", clip()[0, ..., :1])
    np.save(tmp_path / "d.npy", clip()[..., 0])
    for name in ("a.npy", "b.npz"):
        np.testing.assert_array_equal(read_video(tmp_path / name).frames, clip())
    assert read_video(tmp_path / "b.npz").fps == 24
    grey = np.repeat(clip()[..., :1], 3, axis=-1)
    np.testing.assert_array_equal(read_video(tmp_path / "c.npz").frames, grey[:1])
    np.testing.assert_array_equal(read_video(tmp_path / "d.npy").frames, grey)


def test_an_image_is_a_video_of_one_frame(tmp_path):
    Image.fromarray(clip()[0]).save(tmp_path / "a.png")
    video = read_video(tmp_path / "a.png")
    np.testing.assert_array_equal(video.frames, clip()[:1])
    assert video.fps is None


@pytest.mark.parametrize("name", ["one", "a.mkv", "a.npy", "a.webp"])
def test_a_limit_gives_the_first_frames(tmp_path, name):
    if name == "one":
        write_folder(tmp_path / name, clip())
    elif name == "a.npy":
        np.save(tmp_path / name, clip())
    elif name == "a.mkv":
        write_av(tmp_path / name, clip())
    else:
        images = [Image.fromarray(frame) for frame in clip()]
        images[0].save(tmp_path / name, save_all=True, append_images=images[1:], lossless=True)
    limited = read_video(tmp_path / name, limit=2).frames
    np.testing.assert_array_equal(limited, read_video(tmp_path / name).frames[:2])
    assert len(limited) == 2


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.jpg"])
@pytest.mark.parametrize("second", [(24, 16), (12, 8)])
def test_an_image_is_its_first_picture(tmp_path, name, second):
    """A PNG that moves, pages of a TIFF, a JPEG with a preview behind it: packages read the first picture."""
    pictures = [Image.fromarray(clip()[0]), Image.fromarray(clip()[1]).resize(second)]
    kind = {"format": "MPO"} if name == "a.jpg" else {}
    pictures[0].save(tmp_path / name, save_all=True, append_images=pictures[1:], **kind)
    with Image.open(tmp_path / name) as written:
        assert written.n_frames == 2
        np.testing.assert_array_equal(read_video(tmp_path / name).frames, np.asarray(written.convert("RGB"))[None])


def _pictures():
    """Images of kinds on which decoders differ, as (name, image, options)."""
    colour = Image.fromarray(clip()[0])
    ramp = Image.linear_gradient("L").resize(colour.size)
    turned = Image.Exif()
    turned[274] = 6
    for mode in ("LA", "RGBA"):
        image = colour.convert(mode)
        image.putalpha(ramp)
        yield f"{mode}.png", image, {}
        yield f"{mode}.webp", image, {"lossless": True}
    yield "palette.png", colour.convert("P", palette=Image.Palette.ADAPTIVE), {"transparency": 7}
    yield "key.png", colour, {"transparency": (10, 20, 30)}
    yield "bits.png", colour.convert("1"), {}
    yield "inks.jpg", colour.convert("CMYK"), {"quality": 90}
    yield "turned.jpg", colour, {"exif": turned}
    yield "progressive.jpg", colour, {"progressive": True, "quality": 50}
    yield "lab.tif", colour.convert("LAB"), {}
    yield "column.png", colour.crop((0, 0, 1, 16)), {}


@pytest.mark.parametrize(("name", "image", "options"), list(_pictures()), ids=lambda value: str(value)[:16])
def test_an_image_is_read_as_packages_read_it(tmp_path, name, image, options):
    """`Image.open(path).convert("RGB")`: pytorch-fid, torch-fidelity, clean-fid. No EXIF turn, no composed alpha."""
    image.save(tmp_path / name, **options)
    with Image.open(tmp_path / name) as written:
        np.testing.assert_array_equal(read_video(tmp_path / name).frames, np.asarray(written.convert("RGB"))[None])


@pytest.mark.parametrize("mode", ["L", "RGBA", "P"])
def test_other_modes_become_rgb(tmp_path, mode):
    Image.fromarray(clip()[0]).convert(mode).save(tmp_path / "a.png")
    assert read_video(tmp_path / "a.png").frames.shape == (1, 16, 24, 3)


def test_a_folder_lists_videos_images_and_folders_of_frames(tmp_path):
    for number in (2, 10):
        np.save(tmp_path / f"v{number}.npy", clip())
    Image.fromarray(clip()[0]).save(tmp_path / "a.PNG")
    write_folder(tmp_path / "deep" / "frames", clip())
    np.save(tmp_path / "deep" / "b.npy", clip())
    (tmp_path / "notes.txt").write_text("no video")
    (tmp_path / ".hidden.npy").write_text("")
    (tmp_path / ".cache").mkdir()
    found = [path.relative_to(tmp_path).as_posix() for path in find_videos(tmp_path)]
    assert found == ["a.PNG", "deep/b.npy", "deep/frames", "v2.npy", "v10.npy"]
    assert find_videos(tmp_path / "v2.npy") == [tmp_path / "v2.npy"]


def test_kinds_that_are_passed_over_are_counted(tmp_path):
    (tmp_path / "deep").mkdir()
    for name in ("a.avif", "deep/b.AVIF", "c.wmv", ".d.avif", "notes.txt", "e.png"):
        (tmp_path / name).write_bytes(b"")
    assert other_kinds(tmp_path) == {"avif": 2, "wmv": 1}


def test_natural_order_is_total():
    names = ["a1", "a01", "a10", "a2", "b", "1", "a"]
    keys = [natural(Path(name)) for name in names]
    assert len(set(keys)) == len(names)
    assert [name for _, name in sorted(zip(keys, names, strict=True))] == ["1", "a", "a01", "a1", "a2", "a10", "b"]


def test_an_empty_folder_says_what_is_allowed(tmp_path):
    with pytest.raises(MissingFileError, match=r"no video and no image.*mp4"):
        find_videos(tmp_path)
    with pytest.raises(MissingFileError, match="not there"):
        find_videos(tmp_path / "none")
    (tmp_path / "a.txt").write_text("")
    with pytest.raises(ConfigError, match="Allowed"):
        find_videos(tmp_path / "a.txt")


@pytest.mark.parametrize("name", ["a.png", "a.mp4", "a.gif", "a.webp", "a.npy", "a.npz"])
@pytest.mark.parametrize("content", [b"", b"not a video at all, of any kind"])
def test_a_broken_file_is_one_clear_error(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UnreadableError, match=name):
        read_video(tmp_path / name)


def test_a_truncated_image_is_refused(tmp_path):
    Image.fromarray(clip()[0]).save(tmp_path / "a.png")
    whole = (tmp_path / "a.png").read_bytes()
    (tmp_path / "a.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UnreadableError):
        read_video(tmp_path / "a.png")


def test_pickled_arrays_are_refused(tmp_path):
    np.save(tmp_path / "a.npy", np.array([{"code": 1}], dtype=object), allow_pickle=True)
    np.savez(tmp_path / "b.npz", video=np.array([{"code": 1}], dtype=object))
    for name in ("a.npy", "b.npz"):
        with pytest.raises(UnreadableError, match="without unpickling"):
            read_video(tmp_path / name)


def test_what_is_no_video_is_refused(tmp_path):
    for shape, dtype in (((2, 4, 4, 3), np.float32), ((2, 3, 4, 4, 3), np.uint8), ((0, 4, 4, 3), np.uint8)):
        np.save(tmp_path / "a.npy", np.zeros(shape, dtype))
        with pytest.raises(ShapeError, match=r"\[T, H, W, 3\] uint8"):
            read_video(tmp_path / "a.npy")
    np.savez(tmp_path / "b.npz", one=clip(), two=clip())
    with pytest.raises(ShapeError, match="Call the video one of"):
        read_video(tmp_path / "b.npz")


def test_frames_of_two_sizes_and_deep_images_are_refused(tmp_path):
    write_folder(tmp_path / "one", [clip()[0], clip(height=8)[0]])
    with pytest.raises(ShapeError, match=r"16x24.*lie in the folder itself"):
        read_video(tmp_path / "one")
    Image.fromarray(np.full((4, 4), 40000, np.uint16)).save(tmp_path / "deep.png")
    with pytest.raises(UnreadableError, match="more than 8 bits"):
        read_video(tmp_path / "deep.png")


CONTAINERS = [
    ("a.mp4", "libx264", {}),
    ("a.mp4", "libx264", {"movflags": "faststart"}),
    ("a.mp4", "libx264", {"movflags": "frag_keyframe+empty_moov"}),
    ("a.mov", "mpeg4", {"movflags": "faststart"}),
    ("a.mkv", "libx264", {}),
    ("a.webm", "libvpx-vp9", {}),
    ("a.avi", "mpeg4", {}),
]


@pytest.mark.parametrize(("name", "codec", "options"), CONTAINERS)
def test_a_video_that_is_cut_off_is_never_a_shorter_one(tmp_path, name, codec, options):
    av = pytest.importorskip("av")
    frames, whole = clip(frames=64), tmp_path / name
    with av.open(str(whole), "w", options=options) as container:
        stream = container.add_stream(codec, rate=8)
        stream.height, stream.width, stream.pix_fmt = 16, 24, "yuv420p"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
    assert len(read_video(whole).frames) == 64
    content = whole.read_bytes()
    for part in (0.3, 0.5, 0.9):
        (tmp_path / f"cut-{name}").write_bytes(content[: int(part * len(content))])
        with pytest.raises(UnreadableError, match="cut off"):
            read_video(tmp_path / f"cut-{name}")
    whole.write_bytes(content + b"a note that some camera leaves")
    assert len(read_video(whole).frames) == 64


def test_a_recording_without_a_size_is_whole(tmp_path):
    av = pytest.importorskip("av")
    with av.open(str(tmp_path / "a.mkv"), "w", options={"live": "1"}) as container:
        stream = container.add_stream("ffv1", rate=8)
        stream.height, stream.width, stream.pix_fmt = 16, 24, "bgr0"
        for frame in clip():
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
    np.testing.assert_array_equal(read_video(tmp_path / "a.mkv").frames, clip())


def zipped(path, *folders):
    with zipfile.ZipFile(path, "w") as archive:
        for folder in folders:
            for file in folder.iterdir():
                archive.write(file, f"{folder.name}/{file.name}")
        archive.writestr("__MACOSX/x/._0.png", b"")
        archive.writestr("notes.txt", "no video")
    return path


def test_a_zip_of_frames_is_the_video_of_its_folder(tmp_path):
    write_folder(tmp_path / "frames", clip(frames=11))
    found = read_video(zipped(tmp_path / "a.zip", tmp_path / "frames")).frames
    np.testing.assert_array_equal(found, clip(frames=11))
    np.testing.assert_array_equal(read_video(tmp_path / "a.zip", limit=3).frames, clip(frames=11)[:3])
    assert find_videos(tmp_path) == [tmp_path / "a.zip", tmp_path / "frames"]
    assert find_videos(tmp_path / "a.zip") == [tmp_path / "a.zip"]


def test_a_zip_is_one_video_or_said_to_be_none(tmp_path):
    write_folder(tmp_path / "one", clip())
    write_folder(tmp_path / "two", clip())
    (tmp_path / "three").mkdir()
    np.save(tmp_path / "three" / "v.npy", clip())
    (tmp_path / "in").mkdir()
    zipped(tmp_path / "in" / "several.zip", tmp_path / "one", tmp_path / "two")
    zipped(tmp_path / "in" / "array.zip", tmp_path / "three")
    zipped(tmp_path / "in" / "texts.zip")
    zipped(tmp_path / "in" / "damaged.zip", tmp_path / "one")
    whole = (tmp_path / "in" / "damaged.zip").read_bytes()
    (tmp_path / "in" / "damaged.zip").write_bytes(whole.replace(b"IDAT", b"IDAX"))
    (tmp_path / "in" / "empty.zip").write_bytes(b"")
    found = find_videos(tmp_path / "in")
    assert [path.name for path in found] == ["array.zip", "damaged.zip", "empty.zip", "several.zip"]
    for path, said in zip(found, ("Unpack it", "cannot be", "cannot be unpacked", "Unpack it"), strict=True):
        with pytest.raises(UnreadableError, match=said):
            read_video(path)


QUARTER = 2**16
TURNED = {
    "90": (0, QUARTER, -QUARTER, 0),
    "180": (-QUARTER, 0, 0, -QUARTER),
    "270": (0, -QUARTER, QUARTER, 0),
    "mirrored": (-QUARTER, 0, 0, QUARTER),
    "upside down": (QUARTER, 0, 0, -QUARTER),
    "transposed": (0, QUARTER, QUARTER, 0),
    "scaled": (2 * QUARTER, 0, 0, 2 * QUARTER),
    "nothing": (0, 0, 0, 0),
}
SHOWN = {
    "90": lambda frame: np.rot90(frame, -1),
    "180": lambda frame: np.rot90(frame, 2),
    "270": lambda frame: np.rot90(frame, 1),
    "mirrored": lambda frame: frame[:, ::-1],
    "upside down": lambda frame: frame[::-1],
    "transposed": lambda frame: frame.swapaxes(0, 1),
    "scaled": lambda frame: frame,
    "nothing": lambda frame: frame,
}
"""Clockwise, as a phone's tag counts."""


def turn(path, a, b, c, d):
    """Write a display matrix into the header of an mp4's track."""
    content, straight = path.read_bytes(), struct.pack(">9i", QUARTER, 0, 0, 0, QUARTER, 0, 0, 0, 2**30)
    at = content.index(straight, content.index(b"tkhd"))
    matrix = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 2**30)
    path.write_bytes(content[:at] + matrix + content[at + len(matrix) :])


@pytest.mark.parametrize("how", TURNED)
def test_a_rotation_tag_turns_the_frames(tmp_path, how):
    write_av(tmp_path / "straight.mp4", clip(), codec="libx264", pixels="yuv444p")
    write_av(tmp_path / "turned.mp4", clip(), codec="libx264", pixels="yuv444p")
    turn(tmp_path / "turned.mp4", *TURNED[how])
    straight = read_video(tmp_path / "straight.mp4").frames
    shown = np.stack([SHOWN[how](frame) for frame in straight])
    np.testing.assert_array_equal(read_video(tmp_path / "turned.mp4").frames, shown)


def test_a_rotation_of_matroska_is_ffmpegs(tmp_path):
    """PyAV counts against the clock."""
    av = pytest.importorskip("av")
    with av.open(str(tmp_path / "a.mkv"), "w") as container:
        stream = container.add_stream("ffv1", rate=8)
        if not hasattr(stream, "set_display_rotation"):
            pytest.skip("this PyAV cannot write a rotation")
        stream.height, stream.width, stream.pix_fmt = 16, 24, "bgr0"
        stream.set_display_rotation(90)
        for frame in clip():
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
    np.testing.assert_array_equal(read_video(tmp_path / "a.mkv").frames, np.rot90(clip(), 1, axes=(1, 2)))


def test_a_video_that_is_shown_askew_is_refused(tmp_path):
    write_av(tmp_path / "a.mp4", clip(), codec="libx264", pixels="yuv420p")
    turn(tmp_path / "a.mp4", 60000, 26000, -26000, 60000)
    with pytest.raises(UnreadableError, match="no multiple of 90"):
        read_video(tmp_path / "a.mp4")
