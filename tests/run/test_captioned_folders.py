"""Folders of images with captions: CLIP scores and R-Precision under the packages' profiles."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch
from PIL import Image

from ivbench.config import ImageText, profile
from ivbench.data.captions import Captions, captions_of
from ivbench.errors import ConfigError, MissingFileError
from ivbench.extractors.clip_weights import load_clip
from ivbench.results.schema import Score
from ivbench.results.store import Store
from ivbench.run import Silent
from ivbench.run.folder_extraction import Choices
from ivbench.run.folder_scoring import FolderRequest, score_folders
from tests.peers.material import write_images


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small CLIP with open_clip's own tokenizer and random weights."""
    from safetensors.torch import save_file

    folder = tmp_path_factory.mktemp("clip") / "tiny"
    folder.mkdir()
    vision = {"image_size": 224, "layers": 1, "width": 64, "head_width": 32, "patch_size": 56}
    text = {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1}
    settings = {"embed_dim": 16, "quick_gelu": True, "vision_cfg": vision, "text_cfg": text}
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": settings, "preprocess_cfg": {}}))
    torch.manual_seed(0)
    model = open_clip.CLIP(**settings)
    state = {name: value.contiguous() for name, value in model.state_dict().items()}
    save_file(state, folder / "open_clip_model.safetensors")
    return folder


def by_hand(clip: Path, images: list[Path], captions: list[str]) -> np.ndarray:
    """Cosines of images and captions by open_clip's own way in: PIL, torchvision, its tokenizer."""
    model, _, preprocess = open_clip.create_model_and_transforms(f"local-dir:{clip}", image_interpolation="bicubic")
    tokens = open_clip.get_tokenizer(f"local-dir:{clip}")(captions)
    with torch.no_grad():
        pixels = torch.stack([preprocess(Image.open(path).convert("RGB")) for path in images])
        seen, said = model.eval().encode_image(pixels, normalize=True), model.encode_text(tokens, normalize=True)
    return (seen * said).sum(-1).numpy()


def captioned(
    tmp_path: Path,
    clip: Path,
    name: str,
    captions: list[str],
    metric: str = "clip_score",
    classes: list[str] | None = None,
) -> Score:
    of = [{} if classes is None else {"class": one} for one in classes or captions]
    said = [{"file_name": f"{i:03}.png", "text": text, **of[i]} for i, text in enumerate(captions)]
    lines = [json.dumps(one) for one in said]
    (tmp_path / "captions.jsonl").write_text("\n".join(lines))
    choices = Choices(profile(name), {"clip": clip})
    request = FolderRequest(tmp_path / "gen", None, (metric,), choices, str(tmp_path / "captions.jsonl"))
    found = score_folders(request, Store(tmp_path / "store"), Silent(), tmp_path / "out", "test")
    return found.results.cells[0].scores[0]


def test_hessels_clipscore_is_its_formula_on_open_clips_own_features(tmp_path: Path, clip: Path) -> None:
    draw = np.random.default_rng(0)
    sizes = [(80, 120), (300, 240), (224, 224), (150, 151), (90, 400)]
    images = [draw.integers(0, 256, (*size, 3), dtype=np.uint8) for size in sizes]
    write_images(tmp_path / "gen", images)
    captions = ["a red circle", "a cat", "a cat", "two dogs on a road " * 40, "sea"]
    said = [f"A photo depicts {caption}" for caption in captions]
    cosines = by_hand(clip, sorted((tmp_path / "gen").iterdir()), said)
    score = captioned(tmp_path, clip, "hessel-clipscore", captions)
    assert score.value == pytest.approx(2.5 * np.maximum(cosines, 0).mean(), rel=1e-4, abs=1e-6)
    assert score.context["clamped"] == pytest.approx(100 * (cosines < 0).mean())
    assert any("1 prompt is longer" in note or "prompts are longer" in note for note in score.notes)
    assert score.fields["text_prefix"] == "A photo depicts "
    assert "unverified weights" in score.label


def test_the_clamp_of_the_mean_and_of_each_frame_differ(tmp_path: Path, clip: Path) -> None:
    draw = np.random.default_rng(1)
    write_images(tmp_path / "gen", list(draw.integers(0, 256, (6, 64, 64, 3), dtype=np.uint8)))
    captions = [f"a thing {i}" for i in range(6)]
    mean = captioned(tmp_path, clip, "torchmetrics-clipscore", captions)
    plain = [value for value in mean.by_prompt[0] if value is not None]
    assert mean.value == pytest.approx(max(float(np.mean(plain)), 0.0))
    frame = captioned(tmp_path, clip, "hessel-clipscore", captions)
    assert frame.value >= 0


def test_r_precision_of_a_folder_needs_two_captions(tmp_path: Path, clip: Path) -> None:
    draw = np.random.default_rng(2)
    write_images(tmp_path / "gen", list(draw.integers(0, 256, (3, 16, 16, 3), dtype=np.uint8)))
    with pytest.raises(ConfigError, match="draws 99 distractors; the pool has 0 other captions, at least 1"):
        captioned(tmp_path, clip, "park-r-precision", ["the same"] * 3, "r_precision")


def test_quickgelu_is_guarded() -> None:
    with pytest.raises(ConfigError, match="QuickGELU"):
        load_clip(ImageText(model="ViT-B-32", pretrained="openai"), None)
    with pytest.raises(ConfigError, match="open_clip has no"):
        load_clip(ImageText(model="ViT-B-32", pretrained="opnai"), None)
    with pytest.raises(MissingFileError, match="--weights clip=PATH"):
        load_clip(ImageText(model="ViT-B-32-quickgelu", pretrained="openai"), None)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("c.jsonl", '{"file_name": "a b.png", "text": " one "}\n\n{"file": "v/c.mp4", "caption": "two"}\n'),
        ("c.csv", 'file_name,text\n"a b.png",one\nv/c.mp4,two\n'),
        ("c.json", '{"a b": "one", "c.mp4": "two"}'),
    ],
)
def test_captions_are_read_from_every_form(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).write_text(content)
    paths = [tmp_path / "a b.png", tmp_path / "v" / "c.mp4"]
    assert captions_of(paths, tmp_path, str(tmp_path / name)) == Captions(["one", "two"])


def test_captions_come_from_vbenchs_names(tmp_path: Path) -> None:
    paths = [tmp_path / "a cat-0.mp4", tmp_path / "a cat-12.mp4", tmp_path / "well-known.mp4"]
    assert captions_of(paths, tmp_path, "names").texts == ["a cat", "a cat", "well-known"]
    (tmp_path / "St. Paul's at 5 a.m. in rain-3").mkdir()  # of frames: what is behind its points is no suffix
    assert captions_of([tmp_path / "St. Paul's at 5 a.m. in rain-3"], tmp_path, "names").texts == [
        "St. Paul's at 5 a.m. in rain"
    ]


def test_a_line_of_jsonl_ends_at_a_line_feed_alone(tmp_path: Path) -> None:
    text = "one\u2028and\x85two"  # both end a line for str.splitlines, and stand in a JSON string as they are
    line = json.dumps({"file": "a.png", "text": text}, ensure_ascii=False)
    (tmp_path / "c.jsonl").write_text(f'{line}\r\n\n{{"file": "b.png", "text": "b"}}', "utf-8")
    assert captions_of([tmp_path / "a.png"], tmp_path, str(tmp_path / "c.jsonl")).texts == [text]


def test_a_file_with_two_captions_is_refused_where_it_is_scored(tmp_path: Path) -> None:
    rows = [("a.png", "one"), ("b.png", "b"), ("b.png", "b"), ("a.png", "another")]
    (tmp_path / "c.csv").write_text("file,text\n" + "".join(f"{name},{text}\n" for name, text in rows))
    assert captions_of([tmp_path / "b.png"], tmp_path, str(tmp_path / "c.csv")).texts == ["b"]
    with pytest.raises(ConfigError, match=r"entry 4 gives a.png another caption or class than .*entry 1\. Keep one"):
        captions_of([tmp_path / "a.png"], tmp_path, str(tmp_path / "c.csv"))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("c.csv", "file_name,text,class\na.png,one,bird\nb.png,two,7\n"),
        (
            "c.jsonl",
            '{"file_name": "a.png", "text": "one", "class": "bird"}\n{"file": "b.png", "text": "two", "class": 7}\n',
        ),
    ],
)
def test_captions_may_have_classes_all_of_them_or_none(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).write_text(content)
    paths = [tmp_path / "a.png", tmp_path / "b.png"]
    assert captions_of(paths, tmp_path, str(tmp_path / name)) == Captions(["one", "two"], ["bird", "7"])
    (tmp_path / name).write_text(content.replace("bird", "").replace('""', "null"))
    with pytest.raises(ConfigError, match='entry 1 has no "class", which other entries have'):
        captions_of(paths, tmp_path, str(tmp_path / name))


def test_r_precision_leaves_out_captions_of_the_own_class(tmp_path: Path, clip: Path) -> None:
    draw = np.random.default_rng(3)
    write_images(tmp_path / "gen", list(draw.integers(0, 256, (6, 16, 16, 3), dtype=np.uint8)))
    captions = [f"a thing {i}" for i in range(6)]
    plain = captioned(tmp_path, clip, "park-r-precision", captions, "r_precision")
    classed = captioned(tmp_path, clip, "park-r-precision", captions, "r_precision", ["a", "a", "b", "b", "c", "c"])
    assert "classes" not in plain.fields
    assert classed.fields["classes"] == 3
    assert classed.fields["pool"] != plain.fields["pool"]
    assert classed.context["chance"] > plain.context["chance"]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("c.jsonl", "{", "line 1 is not JSON"),
        ("c.jsonl", '{"file_name": "a.png"}', "none of: text, caption, prompt"),
        ("c.jsonl", '{"file_name": "a.png", "text": " "}', "empty caption"),
        ("c.json", '{"b.png": "x"}', "no caption of a.png"),
        ("c.json", "[]", "an object of file names"),
        ("c.txt", "a", "captions are read from"),
    ],
)
def test_bad_captions_are_one_clear_error(tmp_path: Path, name: str, content: str, said: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(ConfigError, match=said):
        captions_of([tmp_path / "a.png"], tmp_path, str(tmp_path / name))
    with pytest.raises(MissingFileError):
        captions_of([tmp_path / "a.png"], tmp_path, str(tmp_path / "none.json"))
