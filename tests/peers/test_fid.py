"""FID of two folders of photographs: the packages' own code and the profiles of their names, on the same weights."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import material
import packages
import pytest

for _needed in ("pytorch_fid", "torch_fidelity", "cleanfid", "torchmetrics", "skimage"):
    pytest.importorskip(_needed)
pytestmark = pytest.mark.filterwarnings("ignore")  # of the packages, on today's libraries

from ivbench import config  # noqa: E402 - after the packages were found
from ivbench.results.store import Store  # noqa: E402
from ivbench.run import Silent  # noqa: E402
from ivbench.run.folder_extraction import Choices  # noqa: E402
from ivbench.run.folder_scoring import FolderRequest, score_folders  # noqa: E402


@dataclass(frozen=True)
class Material:
    folder: Path
    generated: Path
    reference: Path
    weights: Path
    torchscript: Path

    def ours(self, profile: str, weights: Path, metric: str = "frame_fid") -> float:
        choices = Choices(config.profile(profile), {"inception": weights})
        request = FolderRequest(self.generated, self.reference, (metric,), choices)
        found = score_folders(request, Store(self.folder / "store"), Silent(), self.folder / "out", "test")
        return found.results.cells[0].scores[0].value


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> Material:
    folder, photos = tmp_path_factory.mktemp("fid"), material.photographs()
    generated = material.write_images(folder / "generated", material.crops(7, 1, 10.0, photos))
    reference = material.write_images(folder / "reference", material.crops(8, 2, 0.0, photos))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torchscript = material.nvidia_file(folder)
    return Material(folder, generated, reference, material.inception_file(folder), torchscript)


Package = Callable[[Material], float]
PACKAGES: dict[str, Package] = {
    "pytorch-fid": lambda m: packages.pytorch_fid(m.generated, m.reference, m.weights),
    "torch-fidelity": lambda m: packages.torch_fidelity(m.generated, m.reference, m.weights, fid=True)[
        "frechet_inception_distance"
    ],
    "clean-fid": lambda m: packages.clean_fid(m.generated, m.reference, "clean", m.weights, m.torchscript),
    "clean-fid-legacy-pytorch": lambda m: packages.clean_fid(
        m.generated, m.reference, "legacy_pytorch", m.weights, m.torchscript
    ),
    "clean-fid-legacy-tensorflow": lambda m: packages.clean_fid(
        m.generated, m.reference, "legacy_tensorflow", m.weights, m.torchscript
    ),
    "torchmetrics": lambda m: packages.torchmetrics(m.generated, m.reference, True, m.weights),
    "torchmetrics-no-antialias": lambda m: packages.torchmetrics(m.generated, m.reference, False, m.weights),
}


@pytest.mark.parametrize("profile", sorted(PACKAGES))
def test_a_profile_gives_its_packages_fid(profile: str, given: Material) -> None:
    theirs = PACKAGES[profile](given)
    assert given.ours(profile, given.weights) == pytest.approx(theirs, rel=1e-5)


def test_torch_fidelity_kid_takes_files_in_the_order_of_their_names_as_text(given: Material, tmp_path: Path) -> None:
    photos, folders = material.photographs(), []
    for side, noise in (("generated", 10.0), ("reference", 0.0)):
        folders.append(material.write_images(tmp_path / side, material.crops(12, len(side), noise, photos, (60, 90))))
        for path in sorted(folders[-1].iterdir()):
            path.rename(path.with_stem(str(int(path.stem))))  # 10.png stands before 2.png
    sizes = {"kid_subsets": 5, "kid_subset_size": 6}
    theirs = packages.torch_fidelity(*folders, given.weights, kid=True, **sizes)["kernel_inception_distance_mean"]
    chosen = config.profile("torch-fidelity").model_copy(update={"kid": config.Subsets(number=5, size=6, seed=2020)})
    values = []
    for order in ("text", "natural"):
        choices = Choices(chosen.model_copy(update={"order": order}), {"inception": given.weights})
        request = FolderRequest(*folders, ("kid",), choices, floor_draws=0)
        found = score_folders(request, Store(tmp_path / "store"), Silent(), tmp_path / "out", "test")
        values.append(found.results.cells[0].scores[0].value)
    assert chosen.order == "text"
    assert values[0] == pytest.approx(theirs, rel=1e-5)
    assert abs(values[1] / theirs - 1) > 1e-2


@pytest.mark.parametrize("profile", ["clean-fid", "clean-fid-legacy-tensorflow"])
def test_the_torchscript_form_gives_the_same(profile: str, given: Material) -> None:
    assert given.ours(profile, given.torchscript) == pytest.approx(given.ours(profile, given.weights), rel=1e-6)


def test_profiles_differ_by_more_than_the_tolerance(given: Material) -> None:
    values = [given.ours(profile, given.weights) for profile in ("pytorch-fid", "torch-fidelity", "clean-fid")]
    assert min(abs(a - b) for i, a in enumerate(values) for b in values[:i]) > 1e-3 * max(values)
