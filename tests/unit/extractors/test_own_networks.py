"""Networks of one's own: TorchScript, ONNX and SavedModel files with a declared input, and Python objects."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from ivbench import registry
from ivbench.config import profile
from ivbench.errors import ConfigError, DigestError, MissingFileError, ShapeError
from ivbench.extractors import ManyExtractor
from ivbench.extractors.named import named_extractor
from ivbench.results.store import Store
from ivbench.run import Silent
from ivbench.run.folder_extraction import Choices
from ivbench.run.folder_scoring import FolderRequest, score_folders

VIDEOS = np.random.default_rng(0).integers(0, 256, (2, 3, 10, 12, 3), dtype=np.uint8)
OBJECTS = "python:tests.unit.extractors.own_network:"


class _Means(torch.nn.Module):
    """[N, 3, ...] -> [N, 6]: means over all but channels, once more doubled."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        means = x.flatten(2).mean(2)
        return torch.cat([means, 2 * means], 1)


def torchscript(path: Path) -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scripting warns of its own age
        torch.jit.script(_Means()).save(str(path))
    return hashlib.sha256(path.read_bytes()).hexdigest()


def onnx_file(path: Path) -> None:
    """[N, H, W, 3] -> [N, 3]: means over height and width."""
    onnx = pytest.importorskip("onnx")
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    node = helper.make_node("ReduceMean", ["frames", "axes"], ["means"], keepdims=0)
    axes = helper.make_tensor("axes", onnx.TensorProto.INT64, [2], [1, 2])
    inputs = [helper.make_tensor_value_info("frames", kind, ["n", "h", "w", 3])]
    outputs = [helper.make_tensor_value_info("means", kind, ["n", 3])]
    graph = helper.make_graph([node], "means", inputs, outputs, [axes])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    path.write_bytes(model.SerializeToString())


def declared(folder: Path, **fields: object) -> str:
    path = folder / "net.yaml"
    path.write_text(json.dumps({"name": "means", "kind": "frames", "scale": "none", "dim": 6, **fields}))
    return str(path)


def frames_of(videos: NDArray[np.uint8]) -> NDArray[np.float64]:
    return videos.mean((2, 3))


def test_a_torchscript_file_sees_what_is_declared(tmp_path: Path) -> None:
    sha256 = torchscript(tmp_path / "net.pt")
    extractor = named_extractor(declared(tmp_path, file="net.pt", sha256=sha256, scale="symmetric"))
    assert isinstance(extractor, ManyExtractor)
    means = 2 * frames_of(VIDEOS) / 255 - 1
    np.testing.assert_allclose(extractor.extract(VIDEOS), np.concatenate([means, 2 * means], -1), atol=1e-5)
    assert (extractor.name, extractor.dim) == ("means", 6)
    unverified = named_extractor(declared(tmp_path, file="net.pt"))
    assert unverified.name == "means, unverified weights"
    step = {"kernel": "torch-bilinear", "size": 8}
    clips = named_extractor(declared(tmp_path, file="net.pt", kind="clips", resize=[step], scale="imagenet"))
    expected = (frames_of(VIDEOS).mean(1) / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    np.testing.assert_allclose(clips.extract(VIDEOS)[:, :3], expected, atol=0.1)  # the resize looks at the middle
    assert "ImageNet" in clips.preprocess


def test_an_onnx_file_with_channels_last(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    onnx_file(tmp_path / "net.onnx")
    last = {"file": "net.onnx", "dim": 3, "channels": "last"}
    extractor = named_extractor(declared(tmp_path, **last))
    np.testing.assert_allclose(extractor.extract(VIDEOS), frames_of(VIDEOS), rtol=1e-5)
    with pytest.raises(ConfigError, match=r'has no "logits"\. It has: means'):
        named_extractor(declared(tmp_path, **last, output="logits"))
    with pytest.raises(ConfigError, match=r"does not run on \[6, 3, 10, 12\] float32: .*Correct resize, kind or"):
        named_extractor(declared(tmp_path, file="net.onnx", dim=3)).extract(VIDEOS)
    (tmp_path / "net.onnx").write_bytes(b"no graph")
    with pytest.raises(ConfigError, match="no ONNX file that loads"):
        named_extractor(declared(tmp_path, **last))


def test_a_saved_model_runs_in_the_process_of_tensorflow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    worker = Path(__file__).parents[2] / "tfhub" / "numpy_worker.py"
    monkeypatch.setattr("ivbench.extractors.tfhub._PROGRAM", worker)
    (tmp_path / "saved").mkdir()
    (tmp_path / "saved" / "tfhub_module.pb").write_bytes(b"")
    names = {"input": "input_frames:0", "output": "RGB/inception_i3d/Mean:0", "channels": "last", "kind": "clips"}
    step = {"kernel": "tf1-bilinear", "size": 224}
    path = declared(tmp_path, file="saved", dim=400, resize=[step], **{**names, "scale": "symmetric"})
    assert named_extractor(path).extract(VIDEOS).shape == (2, 400)


def test_what_is_declared_wrongly_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match=r"none\.pt is not there"):
        named_extractor(declared(tmp_path, file="none.pt"))
    torchscript(tmp_path / "net.pt")
    with pytest.raises(DigestError, match="is declared"):
        named_extractor(declared(tmp_path, file="net.pt", sha256="0" * 64))
    with pytest.raises(ShapeError, match=r"gave \[6, 6\], \[6, 5\] is declared"):
        named_extractor(declared(tmp_path, file="net.pt", dim=5)).extract(VIDEOS)
    with pytest.raises(ConfigError, match="scale"):
        named_extractor(declared(tmp_path, file="net.pt", scale="half"))
    (tmp_path / "text.bin").write_text("nothing")
    with pytest.raises(ConfigError, match=r"no TorchScript archive, no \.onnx file"):
        named_extractor(declared(tmp_path, file="text.bin"))


def test_another_declaration_is_another_identity(tmp_path: Path) -> None:
    torchscript(tmp_path / "net.pt")
    made = [named_extractor(declared(tmp_path, file="net.pt", scale=scale)) for scale in ("none", "tf")]
    assert made[0].preprocess != made[1].preprocess
    last = named_extractor(declared(tmp_path, file="net.pt", channels="last"))
    assert last.digest != made[0].digest


def test_python_objects_are_extractors_and_score_folders(tmp_path: Path) -> None:
    for side, videos in (("gen", VIDEOS), ("ref", VIDEOS)):
        (tmp_path / side).mkdir()
        for number, video in enumerate(videos):
            np.save(tmp_path / side / f"{number}.npy", video)
    for name in ("MeanColour", "make"):
        choices = Choices(profile("ivbench"), {}, OBJECTS + name)
        request = FolderRequest(tmp_path / "gen", tmp_path / "ref", ("frame_fid",), choices)
        found = score_folders(request, Store(tmp_path / "store"), Silent(), tmp_path / "out", "test")
        score = found.results.cells[0].scores[0]
        assert score.value == pytest.approx(0, abs=1e-6)
        assert "mean-colour" in score.label
    wrong_shape = replace(request, choices=Choices(profile("ivbench"), {}, f"{OBJECTS}Wrong"))
    with pytest.raises(
        ShapeError, match=r"mean-colour gave features \[3, 2\] of a video of 3 frames, \[3, 3\] expected"
    ):
        score_folders(wrong_shape, Store(tmp_path / "store"), Silent(), tmp_path / "out", "test")
    for wrong in ("Nothing", "VIDEOS"):
        with pytest.raises(ConfigError, match=r"is no extractor|cannot be imported"):
            named_extractor(OBJECTS + wrong)


def test_an_entry_point_of_a_package_is_an_extractor(monkeypatch: pytest.MonkeyPatch) -> None:
    target = f"{OBJECTS.removeprefix('python:')}MeanColour"
    point = importlib.metadata.EntryPoint("mean-colour", target, "ivbench.extractors")
    monkeypatch.setattr(registry, "entry_points", lambda group: [point] if group == point.group else [])
    registry._targets.cache_clear()
    try:
        assert named_extractor("mean-colour").dim == 3
        assert registry.added("extractor") == ["mean-colour"]
    finally:
        registry._targets.cache_clear()
