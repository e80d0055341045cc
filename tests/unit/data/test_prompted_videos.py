"""Which file belongs to which prompt, in each of the forms in which the field's folders come."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from ivbench.data.prompted_videos import prompted_videos, video_digest
from ivbench.errors import ConfigError


def write(folder: Path, *names: str) -> None:
    for place, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        np.save(folder / name, np.full((2, 4, 4, 3), place, np.uint8))


def found(folder: Path) -> dict[str, list[str]]:
    files = prompted_videos(folder).files
    return {prompt: [path.relative_to(folder).as_posix() for path in paths] for prompt, paths in files.items()}


def test_vbench_names_the_prompt_and_the_sample(tmp_path: Path) -> None:
    write(tmp_path, "a well-lit cat-10.npy", "a well-lit cat-2.npy", "dog/cafe\u0301-0.npy", "no number.npy", "-3.npy")
    assert found(tmp_path) == {
        "a well-lit cat": ["a well-lit cat-2.npy", "a well-lit cat-10.npy"],
        "caf\u00e9": ["dog/cafe\u0301-0.npy"],
    }
    assert [path.name for path in prompted_videos(tmp_path).others] == ["-3.npy", "no number.npy"]


def test_evalcrafter_numbers_from_0_and_has_a_text_a_prompt(tmp_path: Path) -> None:
    write(tmp_path, "0000.npy", "0001.npy")
    (tmp_path / "prompts").mkdir()
    (tmp_path / "prompts" / "0000.txt").write_text("a cat\n")
    (tmp_path / "prompts" / "0001.txt").write_text("a dog")
    assert found(tmp_path) == {"a cat": ["0000.npy"], "a dog": ["0001.npy"]}
    (tmp_path / "prompts" / "0003.txt").write_text("a gap")
    with pytest.raises(ConfigError, match="without gaps"):
        prompted_videos(tmp_path)


def test_t2v_compbench_numbers_from_1_in_each_category(tmp_path: Path) -> None:
    write(tmp_path, "action/0001.npy", "action/0002-1.npy", "action/0002-0.npy", "space/0001.npy", "other.npy")
    (tmp_path / "action" / "prompts.txt").write_text("a cat runs\n\na dog sits\n")
    (tmp_path / "space" / "prompts.txt").write_text("a cup left of a plate\n")
    assert found(tmp_path) == {
        "a cat runs": ["action/0001.npy"],
        "a dog sits": ["action/0002-0.npy", "action/0002-1.npy"],
        "a cup left of a plate": ["space/0001.npy"],
    }
    assert [path.name for path in prompted_videos(tmp_path).others] == ["other.npy"]


def test_a_number_without_a_line_is_said(tmp_path: Path) -> None:
    write(tmp_path, "0003.npy")
    (tmp_path / "prompts.txt").write_text("one\ntwo\n")
    with pytest.raises(ConfigError, match="number 0003; its list has 2 prompts"):
        prompted_videos(tmp_path)


@pytest.mark.parametrize("name", ["metadata.jsonl", "metadata.csv", "videos.csv"])
def test_a_table_names_samples_in_its_order(tmp_path: Path, name: str) -> None:
    write(tmp_path, "x.npy", "sub/y.npy", "z.npy")
    rows = [("sub/y.npy", "a cat"), ("x.npy", "a cat"), ("gone.npy", "a dog")]
    if name.endswith("l"):
        text = "\n".join(json.dumps({"file_name": file, "text": prompt}) for file, prompt in rows)
    else:
        text = "file,prompt\n" + "".join(f"{file},{prompt}\n" for file, prompt in rows)
    (tmp_path / name).write_text(text)
    assert found(tmp_path) == {"a cat": ["sub/y.npy", "x.npy"], "a dog": ["gone.npy"]}
    assert [path.name for path in prompted_videos(tmp_path).others] == ["z.npy"]


def test_folders_of_frames_are_videos(tmp_path: Path) -> None:
    from PIL import Image

    for sample in (0, 1):
        (tmp_path / f"a cat-{sample}").mkdir()
        for frame in range(2):
            Image.new("RGB", (4, 4), (frame, sample, 0)).save(tmp_path / f"a cat-{sample}" / f"{frame}.png")
    assert found(tmp_path) == {"a cat": ["a cat-0", "a cat-1"]}
    assert video_digest(tmp_path / "a cat-0") != video_digest(tmp_path / "a cat-1")
