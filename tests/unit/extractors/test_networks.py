"""The published networks: layouts of their files, outputs, batches of any sizes, and files that are something else."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
import torch

from ivbench import registry
from ivbench.config import Network, ResizeStep, profile, profile_names
from ivbench.errors import ConfigError, MissingFileError, NonFiniteError, ShapeError
from ivbench.extractors import Extractor, ManyExtractor
from ivbench.extractors.torch_i3d import I3DExtractor
from ivbench.extractors.torch_i3d_torchscript import I3DTorchScript
from ivbench.extractors.torch_inception import InceptionExtractor
from ivbench.extractors.torch_inception_net import TAPS, FIDInception
from ivbench.extractors.weights import Weights, find_weights, manifest
from tests.peers.material import i3d_file, inception_file, nvidia_file, random_state

FRAMES = [np.random.default_rng(i).integers(0, 256, (2, 20 + 9 * i, 30, 3), dtype=np.uint8) for i in range(3)]
CHOICE = Network(name="inception", tap="2048", resize=(ResizeStep(kernel="tf1-bilinear", size=299),), scale="tf")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("weights")


@pytest.fixture(scope="module")
def inception(folder: Path) -> Weights:
    return find_weights("inception", {"inception": inception_file(folder)})


@pytest.fixture(scope="module")
def i3d(folder: Path) -> Weights:
    return find_weights("i3d", {"i3d": i3d_file(folder)})


def test_frames_of_any_sizes_go_in_one_call_and_depend_on_themselves_alone(inception: Weights) -> None:
    extractor = InceptionExtractor(inception, CHOICE)
    assert isinstance(extractor, Extractor)
    assert isinstance(extractor, ManyExtractor)
    together = extractor.extract_many(FRAMES)
    assert [part.shape for part in together] == [(2, 2048)] * 3
    alone = extractor.extract(FRAMES[1][None])[0]
    np.testing.assert_allclose(together[1], alone, rtol=1e-5, atol=1e-5 * np.abs(alone).max())
    assert extractor.extract(np.empty((0, 2, 8, 8, 3), np.uint8)).shape == (0, 2, 2048)
    with pytest.raises(ShapeError):
        extractor.extract_many([FRAMES[0].astype(np.float32)])


def test_frames_that_are_too_small_for_a_network_without_a_resize_are_refused(inception: Weights, i3d: Weights) -> None:
    for kind, weights, least in ((InceptionExtractor, inception, 75), (I3DExtractor, i3d, 193)):
        choice = Network(name=weights.network, tap=next(reversed(kind.taps)), scale="tf")
        extractor = kind(weights, choice)
        extractor.extract(np.zeros((1, 9, least, least, 3), np.uint8))
        with pytest.raises(ShapeError, match=f"needs frames of {least} x {least} or more, got {least - 1} x {least}"):
            extractor.extract(np.zeros((1, 9, least - 1, least, 3), np.uint8))


def test_folding_the_normalisation_changes_nothing(inception: Weights) -> None:
    net, folded = FIDInception(), FIDInception()
    for one in (net, folded):
        one.load_state_dict(torch.load(inception.path, weights_only=True))
    folded.eval().fold()
    x = torch.rand(1, 3, 299, 299) * 2 - 1
    with torch.no_grad():
        for tap, dim in TAPS.items():
            expected = net.eval()(x, tap)
            assert expected.shape == (1, dim)
            torch.testing.assert_close(folded(x, tap), expected, rtol=1e-4, atol=1e-5 * float(expected.abs().max()))


@pytest.mark.filterwarnings("ignore")  # tracing warns of its own age
def test_nvidias_torchscript_gives_the_same_features(inception: Weights, folder: Path) -> None:
    script = find_weights("inception", {"inception": nvidia_file(folder)})
    ours, theirs = (InceptionExtractor(weights, CHOICE).extract(FRAMES[0][None]) for weights in (inception, script))
    np.testing.assert_allclose(theirs, ours, rtol=1e-4, atol=1e-5 * np.abs(ours).max())
    with pytest.raises(ConfigError, match='gives "2048" only'):
        InceptionExtractor(script, CHOICE.model_copy(update={"tap": "64"}))


def test_i3d_needs_nine_frames_and_reads_any_size(i3d: Weights) -> None:
    step = ResizeStep(kernel="torch-bilinear", size=224)
    extractor = I3DExtractor(i3d, Network(name="i3d", tap="logits", resize=(step,), scale="symmetric"))
    clips = [np.random.default_rng(i).integers(0, 256, (9, 20 + i, 30, 3), dtype=np.uint8) for i in range(2)]
    features = extractor.extract_many(clips)
    assert [part.shape for part in features] == [(400,), (400,)]
    np.testing.assert_allclose(features[1], extractor.extract(clips[1][None])[0], rtol=1e-4, atol=1e-3)
    with pytest.raises(ShapeError, match="at least 9 frames, got 8"):
        extractor.extract(clips[0][None, :8])


class _StyleGANV(torch.nn.Module):
    """The interface of i3d_torchscript.pt: pixels in [0, 255] go in, it rescales and resizes as it is told."""

    def forward(self, x: torch.Tensor, rescale: bool, resize: bool, return_features: bool) -> torch.Tensor:
        if not (rescale and resize and return_features):
            return torch.zeros(1)
        scaled = 2.0 * x / 255.0 - 1.0
        return scaled.mean((3, 4)).flatten(1)[:, :1].repeat(1, 400) * torch.arange(400.0)


def test_stylegan_vs_torchscript_gets_raw_pixels_and_its_flags(folder: Path, inception: Weights) -> None:
    path = folder / "i3d_torchscript.pt"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scripting warns of its own age
        torch.jit.script(_StyleGANV()).save(str(path))
        choice = profile("stylegan-v-2048-16f").network("clips")
        extractor = I3DTorchScript(find_weights("i3d-torchscript", {"i3d-torchscript": path}), choice)
    clip = np.random.default_rng(0).integers(0, 256, (16, 20, 30, 3), dtype=np.uint8)
    expected = (2.0 * clip[0, ..., 0].mean() / 255.0 - 1.0) * np.arange(400.0)
    np.testing.assert_allclose(extractor.extract(clip[None])[0], expected, rtol=1e-4)
    with pytest.raises(ConfigError, match=r"takes the scale none \(it scales by itself\) or symmetric, got tf"):
        I3DTorchScript(extractor_weights(path), choice.model_copy(update={"scale": "tf"}))
    with pytest.raises(ConfigError, match="no TorchScript archive"):
        I3DTorchScript(extractor_weights(inception.path), choice)


def extractor_weights(path: Path) -> Weights:
    return Weights("i3d-torchscript", path, "d" * 64, False)


def test_a_wrong_output_is_refused_before_anything_loads(inception: Weights) -> None:
    with pytest.raises(ConfigError, match='no output "204"'):
        InceptionExtractor(inception, CHOICE.model_copy(update={"tap": "204"}))


def test_files_of_other_networks_and_broken_ones_are_refused(folder: Path, i3d: Weights) -> None:
    state = random_state(FIDInception(), 3)
    bad = folder / "nan.pth"
    torch.save({**state, "fc.bias": torch.full((1008,), torch.nan)}, bad)
    with pytest.raises(NonFiniteError, match=r"fc\.bias"):
        InceptionExtractor(find_weights("inception", {"inception": bad}), CHOICE)
    with pytest.raises(ConfigError, match="1,008 classes"):
        InceptionExtractor(Weights("inception", i3d.path, "d", False), CHOICE)
    for content in (b"", b"no weights"):
        bad.write_bytes(content)
        with pytest.raises(ConfigError, match="no state dict"):
            InceptionExtractor(find_weights("inception", {"inception": bad}), CHOICE)


class _Evil:
    def __reduce__(self) -> tuple[object, ...]:
        return (pytest.fail, ("code of a pickle ran",))


def test_code_in_a_pickle_never_runs(folder: Path) -> None:
    path = folder / "evil.pth"
    torch.save({"a": _Evil()}, path)
    with pytest.raises(ConfigError, match="without running code"):
        InceptionExtractor(find_weights("inception", {"inception": path}), CHOICE)


def test_weights_of_an_unknown_digest_are_never_called_published(inception: Weights) -> None:
    assert not inception.published
    assert InceptionExtractor(inception, CHOICE).name == "inception, unverified weights"


def test_weights_are_found_in_the_folder_and_their_absence_says_where_to_get_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IVBENCH_WEIGHTS", str(tmp_path / "mine"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("TORCH_HOME", raising=False)
    with pytest.raises(MissingFileError, match=r"https://.*6726825d.*mine.*--weights inception=FILE"):
        find_weights("inception")
    (tmp_path / "mine").mkdir()
    hub = tmp_path / "cache" / "torch" / "hub" / "checkpoints"
    hub.mkdir(parents=True)
    name = manifest()["inception"].files[0].name
    (hub / name).write_bytes(b"planted by someone else")
    with pytest.raises(MissingFileError):
        find_weights("inception")
    (tmp_path / "mine" / name).write_bytes(b"mine")
    assert find_weights("inception").path == tmp_path / "mine" / name
    with pytest.raises(ConfigError, match='Did you mean "inception"'):
        find_weights("incepton")
    with pytest.raises(MissingFileError, match="Correct --weights"):
        find_weights("inception", {"inception": tmp_path / "none.pth"})


@pytest.mark.parametrize("name", profile_names())
def test_every_profile_names_networks_and_outputs_that_exist(name: str) -> None:
    for kind in ("frames", "clips"):
        choice: Network | None = getattr(profile(name), kind)
        if choice is not None:
            assert choice.name in manifest()
            made = registry.load("network", choice.name)
            assert choice.tap in made.taps
            assert made.kind == kind
