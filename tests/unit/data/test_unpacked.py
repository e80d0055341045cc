"""Sets in one file: a zip of a folder, and ADM's batch of images, read and written."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ivbench.cli.main import main
from ivbench.data.captions import captions_of
from ivbench.data.image_batch import write_image_batch
from ivbench.data.unpacked import set_folder
from ivbench.data.video_files import find_videos, read_video
from ivbench.errors import ConfigError, ShapeError, UnreadableError
from ivbench.run.folder_items import find_items

IMAGES = np.random.default_rng(0).integers(0, 256, (12, 9, 7, 3), dtype=np.uint8)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


def folder_of_images(folder: Path) -> Path:
    folder.mkdir()
    for place, image in enumerate(IMAGES):
        Image.fromarray(image).save(folder / f"{place}.png")
    return folder


def digests(path: Path) -> list[str]:
    return [item.digest for item in find_items(path)]


@pytest.mark.parametrize("inside", ["", "images/"])
def test_a_zip_that_is_named_is_the_folder_in_it(inside: str, tmp_path: Path) -> None:
    folder = folder_of_images(tmp_path / "images")
    Image.fromarray(IMAGES[0, :5]).save(folder / "small.png")
    with zipfile.ZipFile(tmp_path / "images.zip", "w") as archive:
        for path in folder.iterdir():
            archive.write(path, f"{inside}{path.name}")
    assert digests(tmp_path / "images.zip") == digests(folder)
    assert len(digests(folder)) == len(IMAGES) + 1
    items, root = find_items(tmp_path / "images.zip"), set_folder(tmp_path / "images.zip")
    (tmp_path / "captions.json").write_text('{"' + '": "a", "'.join(path.name for path in folder.iterdir()) + '": "a"}')
    assert len(captions_of([item.path for item in items], root, str(tmp_path / "captions.json")).texts) == len(items)


def test_adms_batch_is_its_images_and_other_arrays_are_videos(tmp_path: Path) -> None:
    for name, save in (("stored", np.savez), ("packed", np.savez_compressed)):
        save(tmp_path / f"{name}.npz", IMAGES)
        found = [read_video(path).frames for path in find_videos(set_folder(tmp_path / f"{name}.npz"))]
        np.testing.assert_array_equal(np.concatenate(found), IMAGES)
        assert {len(frames) for frames in found} == {1}
    np.savez(tmp_path / "video.npz", video=IMAGES)
    np.savez(tmp_path / "column.npz", np.asfortranarray(IMAGES))
    np.savez(tmp_path / "features.npz", np.zeros((12, 9, 7, 3), np.float32))
    for name in ("video", "column", "features"):
        assert set_folder(tmp_path / f"{name}.npz") == tmp_path / f"{name}.npz"


def test_what_is_broken_leaves_nothing_behind(cache: Path, tmp_path: Path) -> None:
    np.savez(tmp_path / "batch.npz", np.concatenate([IMAGES] * 40))
    content = bytearray((tmp_path / "batch.npz").read_bytes())
    content[len(content) // 2] ^= 255
    (tmp_path / "batch.npz").write_bytes(content)
    with pytest.raises(UnreadableError, match="cannot be unpacked"):
        find_items(tmp_path / "batch.npz")
    (tmp_path / "text.zip").write_text("no zip")
    with pytest.raises(UnreadableError, match="cannot be unpacked"):
        find_items(tmp_path / "text.zip")
    with zipfile.ZipFile(tmp_path / "evil.zip", "w") as archive:
        archive.writestr("../out.png", b"")
    with pytest.raises(ConfigError, match="leads out of the folder"):
        find_items(tmp_path / "evil.zip")
    assert list((cache / "ivbench" / "unpacked").iterdir()) == []


def test_a_batch_that_is_written_is_read_by_numpy_and_by_us(tmp_path: Path) -> None:
    folder = folder_of_images(tmp_path / "images")
    (folder / "broken.png").write_bytes(b"nothing")
    told: list[str] = []
    assert write_image_batch(folder, tmp_path / "out" / "batch.npz", told.append) == len(IMAGES)
    assert len(told) == 1
    with np.load(tmp_path / "out" / "batch.npz") as file:
        assert file.files == ["arr_0"]
        np.testing.assert_array_equal(file["arr_0"], IMAGES)
    found = [read_video(path).frames[0] for path in find_videos(set_folder(tmp_path / "out" / "batch.npz"))]
    np.testing.assert_array_equal(np.stack(found), IMAGES)


def test_images_of_two_sizes_are_no_batch(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = folder_of_images(tmp_path / "images")
    Image.fromarray(IMAGES[0, :5]).save(folder / "small.png")
    with pytest.raises(ShapeError, match="9x7 and"):
        write_image_batch(folder, tmp_path / "batch.npz", lambda _: None)
    assert [path.name for path in tmp_path.iterdir()] == ["images"]
    assert main(["metric", "images", str(folder), "--out", str(tmp_path / "batch.npz")]) == 2
    assert "5x7" in capsys.readouterr().err
    (folder / "small.png").unlink()
    assert main(["metric", "images", str(folder), "--out", str(tmp_path / "batch.npz")]) == 0
    assert capsys.readouterr().out.startswith("12 images ")
