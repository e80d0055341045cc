"""`ivbench selftest`: closed forms, golden values, determinism, files and libraries, on the user's own machine.

Needs no network and under a minute on two cores.
"""

from __future__ import annotations

import importlib.util
import math
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ivbench.config import Network, ResizeStep, profile
from ivbench.data.shapes import combinations, draw_scene, render, to_uint8
from ivbench.data.shapes.judge import accuracy, judge
from ivbench.errors import IvbenchError, MissingFileError
from ivbench.extractors.weights import find_weights, manifest
from ivbench.metrics import GaussianStatistics, frechet_distance
from ivbench.metrics.kid import complete_kid
from ivbench.metrics.r_precision import expected_precision
from ivbench.zoo import list_cards, verify

__all__ = ["Check", "selftest"]

_LIKE_CD_FVD = Network(
    name="i3d", tap="logits", resize=(ResizeStep(kernel="torch-bilinear", size=224),), scale="symmetric"
)
Outcome = Literal["pass", "fail", "absent"]
INCEPTION = (7.0211663246154785, 12.315953254699707, 0.0, 0.43553417921066284)
"""torch-fidelity 0.4.0's first features of the first golden frame, with the random weights of seed 1."""
I3D = (-15.576339721679688, -6.292484760284424, 12.670653343200684, -29.487384796142578)
"""cd-fvd 0.1.1's first logits of the golden clip, with the random weights of seed 2."""
_LIBRARIES = {
    "torch": "zoo",
    "torchvision": "zoo",
    "transformers": "zoo",
    "timm": "zoo",
    "open_clip_torch": "zoo",
    "av": "video",
    "jax": "jax",
    "onnxruntime": "onnx",
    "tensorflow": "tfhub",
}


@dataclass(frozen=True)
class Check:
    """One line of the table.

    Attributes:
        name: what was looked at.
        outcome: absent: an optional thing that is not on this machine; no failure.
        detail: the measured difference, the version, or what to do.
    """

    name: str
    outcome: Outcome
    detail: str


def selftest(device: str = "cpu") -> Iterator[Check]:
    """Run every check, one after the other.

    Args:
        device: where networks run: cpu, cuda:1, mps.
    """
    for name, check in _NUMBERS.items():
        yield _checked(name, check)
    yield _checked("zoo: files are what their cards say", _zoo)
    for library, extra in _LIBRARIES.items():
        yield _library(library, extra)
    if importlib.util.find_spec("torch") is None:
        yield Check("networks", "absent", 'torch is not installed. Run: pip install "ivbench[zoo]"')
    else:
        yield Check("devices", "pass", _devices())
        for network, golden in (("inception", INCEPTION), ("i3d", I3D)):
            yield _checked(f"{network} on {device}: golden features", partial(_golden, network, golden, device))
    for network in manifest():
        yield _weights(network)


def golden_clip() -> NDArray[np.uint8]:
    """[16, 48, 64, 3]: waves of three frequencies, the clip of the golden features."""
    y, x, t = np.mgrid[:48, :64, :16]
    frequencies = ((0.2, 0.1, 0.3), (0.05, 0.3, -0.2), (0.15, -0.1, 0.1))
    waves = [127.5 + 120 * np.sin(a * x + b * y + c * t) for a, b, c in frequencies]
    return np.rint(np.stack(waves, -1)).astype(np.uint8).transpose(2, 0, 1, 3)


def _checked(name: str, check: Callable[[], str]) -> Check:
    try:
        return Check(name, "pass", check())
    except (AssertionError, IvbenchError, ArithmeticError, ValueError, RuntimeError) as error:
        return Check(name, "fail", " ".join(str(error).split()) or type(error).__name__)


def _near(got: float, expected: float, tolerance: float) -> str:
    """The relative difference in words.

    Raises:
        AssertionError: above the tolerance.
    """
    off = abs(got - expected) / max(abs(expected), 1e-300)
    if not off <= tolerance:
        raise AssertionError(f"got {got:.9g}, {expected:.9g} expected: {off:.1e} relative, {tolerance:.0e} allowed")
    return f"{off:.1e} relative"


def _frechet() -> str:
    sides = ((0.0, 1.0), (1.0, 4.0))
    a, b = (GaussianStatistics(2, np.full(3, mean), np.eye(3) * variance) for mean, variance in sides)
    return _near(frechet_distance(a, b), 3 * (1.0 + (2.0 - 1.0) ** 2), 1e-12)


def _singular() -> str:
    rows = np.random.default_rng(0).normal(size=(5, 64))
    same = GaussianStatistics.of(rows)
    if not abs(frechet_distance(same, same)) < 1e-9 * float(np.trace(same.covariance())):
        raise AssertionError(f"equal singular statistics are {frechet_distance(same, same):.3g} apart, 0 expected")
    return "0"


def _merged() -> str:
    rows = np.random.default_rng(1).normal(3.0, 2.0, size=(1000, 8))
    parts = GaussianStatistics.empty(8)
    for start in range(0, 1000, 37):
        parts = parts.update(rows[start : start + 37])
    expected = float(np.trace(np.cov(rows, rowvar=False)))
    return _near(float(np.trace(parts.covariance())), expected, 1e-12)


def _kid() -> str:
    return _near(complete_kid(np.array([[1.0, 0.0]] * 2), np.array([[0.0, 1.0]] * 2)), 2 * 1.5**3 - 2, 1e-12)


def _r_precision() -> str:
    got = float(expected_precision(np.array([3]), np.array(479), np.array(99))[0])
    return _near(got, math.comb(476, 99) / math.comb(479, 99), 1e-12)


def _judge() -> str:
    rows = combinations("test")[:64]
    draw = np.random.default_rng(0)
    clips = to_uint8(render([draw_scene(row, draw) for row in rows], 8, 6.0, 24, 40))
    found = accuracy(judge(clips), rows)
    worst = min(found, key=lambda name: found[name])
    if found[worst] < 1.0:
        raise AssertionError(f"{worst} of real clips is judged right in {100 * found[worst]:.1f} %, 100 % expected")
    return f"{len(rows)} real clips, all attributes right"


_NUMBERS: dict[str, Callable[[], str]] = {
    "Frechet distance: closed form": _frechet,
    "Frechet distance: equal singular statistics": _singular,
    "statistics: merged parts are the whole": _merged,
    "KID: closed form": _kid,
    "R-Precision: ratio of binomials": _r_precision,
    "geometric judge: real clips": _judge,
}


def _zoo() -> str:
    cards = list_cards()
    return f"{sum(len(verify(card)) for card in cards)} files of {len(cards)} cards"


def _library(name: str, extra: str) -> Check:
    try:
        return Check(f"library {name}", "pass", version(name))
    except PackageNotFoundError:
        return Check(f"library {name}", "absent", f'pip install "ivbench[{extra}]"')


def _devices() -> str:
    import torch

    found = [f"cuda:{i} {torch.cuda.get_device_name(i)}" for i in range(torch.cuda.device_count())]
    return ", ".join(["cpu", *found, *(["mps"] if torch.backends.mps.is_available() else [])])


def _golden(network: str, golden: tuple[float, ...], device: str) -> str:
    """Random weights through a file and a network on a device: the packages' features, and the same ones twice."""
    import torch

    from ivbench import registry
    from ivbench.backends.torch_backend import available_device
    from ivbench.extractors.torch_i3d_net import I3D as I3DNet
    from ivbench.extractors.torch_inception_net import FIDInception
    from ivbench.extractors.torch_random_weights import random_state

    available_device(device)
    net, seed, choice = (
        (FIDInception(), 1, profile("torch-fidelity").network("frames"))
        if network == "inception"
        else (I3DNet(), 2, _LIKE_CD_FVD)
    )
    clip = golden_clip()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "weights.pth"
        torch.save(random_state(net, seed), path)
        extractor = registry.load("network", network)(find_weights(network, {network: path}), choice, device)
        first, second = (extractor.extract(clip[None, :1] if network == "inception" else clip[None]) for _ in range(2))
    if not np.array_equal(first, second):
        raise AssertionError(f"the same frames gave features {np.abs(first - second).max():.1e} apart")
    got, scale = first.reshape(-1)[: len(golden)], float(np.abs(first).max())
    off = float(np.abs(got - np.array(golden)).max()) / scale
    if not off <= 1e-4:
        raise AssertionError(f"features are {off:.1e} of the largest from the golden ones, 1e-4 allowed")
    return f"{off:.1e} of the largest feature"


def _weights(network: str) -> Check:
    name = f"published weights: {network}"
    try:
        found = find_weights(network)
    except MissingFileError as error:
        return Check(name, "absent", str(error))
    said = f"{found.path}, sha256 {found.digest[:12]}"
    return Check(name, "pass", said if found.published else f"{said}: not the published digest, or none is known")
