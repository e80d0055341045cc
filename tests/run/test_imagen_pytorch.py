"""A checkpoint of imagen-pytorch's trainer: the contract, its own sample(), and the whole run."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")

import torch

from ivbench.adapters import Request, generator_source, loaded
from ivbench.adapters.imagen_pytorch_checkpoint import ImagenPytorchCheckpoint
from ivbench.config import parse_suite
from ivbench.errors import ConfigError, MissingFileError
from ivbench.plan import build_plan
from ivbench.results.store import Store
from ivbench.run import Silent, score_plan
from ivbench.testing import check_adapter
from tests.run.test_generator import ASKED, GeneratorModels
from tests.run.tiny_imagen import imported, save_imagen
from tests.run.toys import EXTRACTORS

pytestmark = [
    pytest.mark.skipif(find_spec("imagen_pytorch") is None, reason="imagen-pytorch is not installed: tox -e imagen"),
    pytest.mark.filterwarnings("ignore"),  # of the package, on today's libraries
]


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    imported()
    return save_imagen(tmp_path_factory.mktemp("imagen") / "tiny.pt")


def small(path: Path) -> ImagenPytorchCheckpoint:
    generator = ImagenPytorchCheckpoint(str(path))
    generator.spec = generator.spec.sized({"frames": 2})
    return generator


def test_the_contract_is_kept(saved: Path) -> None:
    check_adapter(small(saved))


def test_a_video_is_what_its_own_sampler_makes_of_the_averaged_weights(saved: Path, tmp_path: Path) -> None:
    state = torch.load(saved, weights_only=True)
    for name, value in state["ema"].items():
        if ".ema_model." in name and value.is_floating_point():
            value += 0.01  # after a few steps they are still the weights themselves
    torch.save(state, tmp_path / "averaged.pt")
    generator = loaded(small(tmp_path / "averaged.pt"))
    theirs = imported().ImagenConfig(**state["imagen_params"]).create()
    theirs.load_state_dict(state["model"])
    for place, unet in enumerate(theirs.unets):
        names = [name for name in state["ema"] if name.startswith(f"{place}.ema_model.")]
        unet.load_state_dict({name.split(".", 2)[2]: state["ema"][name] for name in names})
    text = generator._encoder.encode(["a red circle"])  # type: ignore[attr-defined]
    torch.manual_seed(7)
    made = theirs.eval().sample(
        text_embeds=torch.from_numpy(text.tokens * text.mask[..., None]),
        text_masks=torch.from_numpy(text.mask),
        video_frames=2,
        cond_scale=3.0,
        use_tqdm=False,
    )
    request = Request(("a red circle",), (7,), {**generator.spec.settings, "guidance": 2.0}, 2, 16, 16, 8.0)
    (ours,) = generator.generate(request)
    assert np.array_equal(ours, np.rint(255 * made[0].permute(1, 2, 3, 0).numpy()).astype(np.uint8))


def test_a_model_of_values_from_minus_one_to_one_makes_the_same_video(saved: Path, tmp_path: Path) -> None:
    state = torch.load(saved, weights_only=True)
    state["imagen_params"]["auto_normalize_img"] = False
    torch.save(state, tmp_path / "symmetric.pt")
    request = Request(("a red circle",), (7,), small(saved).spec.settings, 2, 16, 16, 8.0)
    of_one, of_both = (loaded(small(path)).generate(request)[0] for path in (saved, tmp_path / "symmetric.pt"))
    assert np.abs(of_one.astype(int) - of_both.astype(int)).max() <= 1


def test_the_whole_run(saved: Path, tmp_path: Path) -> None:
    generator = small(saved)
    asked = {**ASKED, "prompts": {"source": "shapes:test", "count": 2}, "grid": {"guidance": [0, 2], "steps": [1, 2]}}
    digests = {name: EXTRACTORS[name].digest for name in EXTRACTORS}
    source = generator_source(generator, "imagen-pytorch:x")
    plan = build_plan(parse_suite({**asked, "video": {"frames": 2}}), source, extractors=digests)
    store = Store(tmp_path / "store")
    outcome = score_plan(plan, store, GeneratorModels(generator), Silent(), tmp_path / "out", "ivbench run", False)
    cells = outcome.results.cells
    assert [(cell.guidance_w, cell.settings["steps"]) for cell in cells] == [(0, 1), (0, 2), (2, 1), (2, 2)]
    assert all(cell.complete and len(cell.scores) == 4 for cell in cells)


class Payload:
    """Code that a pickle would run."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.system, (f"touch {self.path}",)


def test_a_pickle_that_would_run_code_is_refused(tmp_path: Path) -> None:
    torch.save({"model": Payload(tmp_path / "ran")}, tmp_path / "evil.pt")
    with pytest.raises(ConfigError, match="without running code"):
        ImagenPytorchCheckpoint(str(tmp_path / "evil.pt"))
    assert not (tmp_path / "ran").exists()


def test_wrong_files_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match="is not there"):
        ImagenPytorchCheckpoint(str(tmp_path / "absent.pt"))
    for content, said in (
        ({"model": {}}, "has no configuration"),
        ({"imagen_params": {"image_sizes": [8]}, "imagen_type": "original"}, "video: False"),
        ({"imagen_params": {"image_sizes": [8], "video": True}, "imagen_type": "elucidated"}, "'elucidated'"),
    ):
        torch.save(content, tmp_path / "wrong.pt")
        with pytest.raises(ConfigError, match=said):
            ImagenPytorchCheckpoint(str(tmp_path / "wrong.pt"))


def test_weights_that_do_not_fit_are_an_error(saved: Path, tmp_path: Path) -> None:
    state = torch.load(saved, weights_only=True)
    state["model"].pop(next(iter(state["model"])))
    torch.save(state, tmp_path / "torn.pt")
    with pytest.raises(ConfigError, match=r"cannot be loaded: .*Missing key"):
        loaded(ImagenPytorchCheckpoint(str(tmp_path / "torn.pt")))
