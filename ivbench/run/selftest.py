"""`ivbench selftest`: closed forms, golden values, determinism, files and libraries, on the user's own machine.

Needs no network and under a minute on two cores.
"""

from __future__ import annotations

import importlib.util
import math
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ivbench import registry
from ivbench.config import ImageText, Network, ResizeStep, profile, profile_names
from ivbench.data.shapes import combinations, draw_scene, render, to_uint8
from ivbench.data.shapes.judge import accuracy, judge
from ivbench.errors import IvbenchError, MissingFileError
from ivbench.extractors.clip_weights import find_clip
from ivbench.extractors.weights import Weights, find_weights, manifest
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
    "torch": ("torch", "zoo"),
    "torchvision": ("torchvision", "zoo"),
    "transformers": ("transformers", "zoo"),
    "timm": ("timm", "zoo"),
    "open_clip_torch": ("open_clip", "zoo"),
    "av": ("av", "video"),
    "jax": ("jax", "jax"),
    "onnxruntime": ("onnxruntime", "onnx"),
    "tensorflow": ("tensorflow", "tfhub"),
}
"""Distribution -> its module, and the extra that brings it."""
_IMPORT = """
import importlib, sys
for name in sys.argv[1:]:
    try:
        importlib.import_module(name)
        print(f"{name}\t", flush=True)
    except BaseException as error:
        print(f"{name}\t{type(error).__name__}: {' '.join(str(error).split())[:160]}", flush=True)
"""
"""Says of each module why it cannot be imported; what ends the process is found by its silence."""


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
    yield from _libraries()
    if importlib.util.find_spec("torch") is None:
        yield Check("networks", "absent", 'torch is not installed. Run: pip install "ivbench[zoo]"')
    else:
        yield _checked("devices", _devices)
        for network, golden in (("inception", INCEPTION), ("i3d", I3D)):
            yield _checked(f"{network} on {device}: golden features", partial(_golden, network, golden, device))
    for network in manifest():
        yield _weights(network)
    if importlib.util.find_spec("open_clip") is not None:
        for choice in _clip_models():
            yield _clip_weights(choice)


def golden_clip() -> NDArray[np.uint8]:
    """[16, 48, 64, 3]: waves of three frequencies, the clip of the golden features."""
    y, x, t = np.mgrid[:48, :64, :16]
    frequencies = ((0.2, 0.1, 0.3), (0.05, 0.3, -0.2), (0.15, -0.1, 0.1))
    waves = [127.5 + 120 * np.sin(a * x + b * y + c * t) for a, b, c in frequencies]
    return np.rint(np.stack(waves, -1)).astype(np.uint8).transpose(2, 0, 1, 3)


def _checked(name: str, check: Callable[[], str]) -> Check:
    try:
        return Check(name, "pass", check())
    except Exception as error:  # a broken library raises anything
        said = " ".join(str(error).split())
        foreign = not isinstance(error, (AssertionError, IvbenchError))
        return Check(name, "fail", f"{type(error).__name__}: {said}" if foreign or not said else said)


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


def _libraries() -> Iterator[Check]:
    """Versions; a library that is installed and cannot be imported fails."""
    there = {}
    for name in _LIBRARIES:
        with suppress(PackageNotFoundError):
            there[name] = version(name)
    told = _imported([_LIBRARIES[name][0] for name in there])
    for name, (module, extra) in _LIBRARIES.items():
        again = f'pip install "ivbench[{extra}]"'
        if name not in there:
            yield Check(f"library {name}", "absent", again)
        elif told.get(module, "its import ends the process"):
            why = told.get(module, "its import ends the process")
            yield Check(f"library {name}", "fail", f"{there[name]} is installed, but not whole: {why}. Again: {again}")
        else:
            yield Check(f"library {name}", "pass", there[name])


def _imported(modules: Sequence[str]) -> dict[str, str]:
    """Module -> why it cannot be imported, "" where it can; in processes of their own, whose end is an answer too."""
    told: dict[str, str] = {}
    rest = list(modules)
    while rest:
        command = [sys.executable, "-c", _IMPORT, *rest]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        lines = (line.partition("\t") for line in done.stdout.splitlines())
        told |= {module: why for module, tab, why in lines if tab and module in rest}
        rest = [module for module in rest if module not in told][1:]
    return told


def _devices() -> str:
    import torch

    found = [f"cuda:{i} {torch.cuda.get_device_name(i)}" for i in range(torch.cuda.device_count())]
    return ", ".join(["cpu", *found, *(["mps"] if torch.backends.mps.is_available() else [])])


def _golden(network: str, golden: tuple[float, ...], device: str) -> str:
    """Random weights through a file and a network on a device: the packages' features, and the same ones twice."""
    import torch

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
    except (IvbenchError, OSError) as error:
        return Check(name, "fail", str(error))
    said = f"{found.path}, sha256 {found.digest[:12]}"
    if found.published:
        return Check(name, "pass", said)
    said = f"{said}: not the published digest, or none is known"
    if network == "i3d-tfhub":  # TensorFlow's process is not started for it
        return Check(name, "pass", said)
    checked = _checked(name, partial(_loads, found))
    return replace(checked, detail=f"{said}; {checked.detail}")


def _loads(found: Weights) -> str:
    """Load weights as the first profile does that names their network."""
    choices = [choice for name in profile_names() for choice in (profile(name).frames, profile(name).clips)]
    choice = next(one for one in choices if one is not None and one.name == found.network)
    registry.load("network", found.network)(found, choice, "cpu")
    return "it loads"


def _clip_models() -> list[ImageText]:
    """What profiles name, each model once."""
    named = (profile(name).image_text for name in profile_names())
    return list({(one.model, one.pretrained): one for one in named if one is not None}.values())


def _clip_weights(choice: ImageText) -> Check:
    name = f"published weights: clip {choice.model} {choice.pretrained}"
    try:
        return Check(name, "pass", str(find_clip(choice)))
    except MissingFileError as error:
        return Check(name, "absent", str(error))
    except Exception as error:  # a broken library raises anything
        return Check(name, "fail", f"{type(error).__name__}: {error}")
