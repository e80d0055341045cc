"""Any TorchScript, ONNX or SavedModel file as an extractor, by a declaration of its input."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ivbench.config import Network, NetworkFile, digest
from ivbench.errors import ConfigError, DigestError, IvbenchError, MissingDependencyError, MissingFileError, ShapeError
from ivbench.extractors.tfhub import TensorFlowProcess
from ivbench.extractors.torch_network import NetworkExtractor
from ivbench.extractors.torch_weights import is_torchscript, load_torchscript
from ivbench.extractors.weights import Weights, content_digest

__all__ = ["NetworkFileExtractor"]

Run = Callable[[Tensor], Tensor]


class NetworkFileExtractor(NetworkExtractor):
    """Features by somebody's own network; see `ivbench.config.NetworkFile`."""

    def __init__(self, declared: NetworkFile, folder: Path, device: str = "cpu") -> None:
        """Load the file.

        Args:
            declared: its input and output.
            folder: that the file's name starts from.
            device: where it runs; a SavedModel where TensorFlow puts it.

        Raises:
            MissingFileError: it is not there.
            DigestError: it is not the declared one.
            ConfigError: it can't be loaded.
            MissingDependencyError: onnxruntime or TensorFlow is not installed.
        """
        path = folder / declared.file
        if not path.exists():
            raise MissingFileError(f"{path} is not there. Correct `file` of {declared.name}.")
        own = content_digest(path)
        if declared.sha256 is not None and own != declared.sha256:
            raise DigestError(f"{path} has the sha256 {own}, {declared.sha256} is declared. Get the right file.")
        self.kind, self.batch, self.taps = declared.kind, declared.batch, {"features": declared.dim}  # type: ignore[misc]
        choice = Network(name=declared.name, tap="features", resize=declared.resize, scale=declared.scale)
        super().__init__(Weights(declared.name, path, own, False), choice, device)
        if declared.sha256 is not None:
            self.name = declared.name
        shown = {"input", "output", "channels"}
        self.digest = digest([own, declared.model_dump(mode="json", include=shown)])
        self.preprocess = f"{self.preprocess}, channels {declared.channels}"
        self._last = declared.channels == "last"
        self._net = _loaded(path, declared, device)

    def _run(self, batch: Tensor) -> Tensor:
        given = batch.movedim(1, -1) if self._last else batch
        try:
            features = self._net(given)
        except IvbenchError:
            raise
        except Exception as error:  # the frameworks' errors have no common base but this
            reason = (str(error) or type(error).__name__).strip().splitlines()[-1][:160].rstrip(".")
            raise ConfigError(
                f"{self.name} does not run on {list(given.shape)} float32: {reason}. Correct resize, kind or channels."
            ) from error
        if not isinstance(features, Tensor) or features.shape != (len(batch), self.dim):
            got = list(features.shape) if isinstance(features, Tensor) else type(features).__name__
            raise ShapeError(f"{self.name} gave {got}, [{len(batch)}, {self.dim}] is declared.")
        return features.float()


def _loaded(path: Path, declared: NetworkFile, device: str) -> Run:
    if path.is_dir():
        process = TensorFlowProcess(path, declared.input, declared.output)
        return lambda batch: torch.from_numpy(process.run(batch.contiguous().cpu().numpy()))
    if path.suffix == ".onnx":
        return _onnx(path, declared, device)
    if is_torchscript(path):
        module: Run = load_torchscript(path, device)
        return module
    raise ConfigError(
        f"{path} is no TorchScript archive, no .onnx file and no folder of a SavedModel. Export it as one."
    )


def _onnx(path: Path, declared: NetworkFile, device: str) -> Run:
    try:
        import onnxruntime
    except ModuleNotFoundError:
        raise MissingDependencyError("onnxruntime", "onnx") from None
    wanted = ["CUDAExecutionProvider"] if device.startswith("cuda") else []
    known = [name for name in wanted if name in onnxruntime.get_available_providers()]
    try:
        session: Any = onnxruntime.InferenceSession(str(path), providers=[*known, "CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's errors have no common base but this
        raise ConfigError(f"{path} is no ONNX file that loads: {' '.join(str(error).split())[:160]}") from None
    source = declared.input or session.get_inputs()[0].name
    result = declared.output or session.get_outputs()[0].name
    for name, there in ((source, session.get_inputs()), (result, session.get_outputs())):
        if name not in [one.name for one in there]:
            raise ConfigError(f'{path} has no "{name}". It has: {", ".join(one.name for one in there)}.')
    return lambda batch: torch.from_numpy(session.run([result], {source: batch.contiguous().cpu().numpy()})[0])
