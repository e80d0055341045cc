"""The Inception-v3 of FID, the network of 2015-12-05: its parameter names are those of the published .pth files.

It differs from torchvision's Inception-v3 in three ways: average pools count no padding, the last block pools by the
maximum, and it has 1,008 classes. Source: Szegedy et al. 2015 (1512.00567), figures 5 to 7 and 10; the differences are
TensorFlow's graph classify_image_graph_def.pb, which FID was defined with (Heusel et al. 2017, 1706.08500).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from ivbench.extractors.torch_fold import fold

__all__ = ["LEAST_SIDE", "TAPS", "FIDInception"]

TAPS = {"64": 64, "192": 192, "768": 768, "2048": 2048, "logits": 1008, "logits_unbiased": 1008}
"""Output -> its features. The first three are spatial means after a max pool, another, and the block Mixed_6e."""
CLASSES = 1008
LEAST_SIDE = 75
"""Smaller frames leave its last blocks no place."""


class _Conv(NamedTuple):
    """A convolution, its output normalised and rectified; padded so that stride 1 keeps the size."""

    name: str
    channels: int
    kernel: int | tuple[int, int] = 1
    stride: int = 1


class _Pool(NamedTuple):
    kind: str
    stride: int = 1


_Step = _Conv | _Pool | list[_Conv]


def _double(width: int, last: int, stride: int = 1) -> list[_Step]:
    first = [_Conv("branch3x3dbl_1", width), _Conv("branch3x3dbl_2", last, 3)]
    return [*first, _Conv("branch3x3dbl_3", last, 3, stride)]


def _pooled(kind: str, channels: int) -> list[_Step]:
    return [_Pool(kind), _Conv("branch_pool", channels)]


def _block_a(pool: int) -> list[list[_Step]]:
    five: list[_Step] = [_Conv("branch5x5_1", 48), _Conv("branch5x5_2", 64, 5)]
    return [[_Conv("branch1x1", 64)], five, _double(64, 96), _pooled("average", pool)]


def _block_b() -> list[list[_Step]]:
    return [[_Conv("branch3x3", 384, 3, 2)], _double(64, 96, stride=2), [_Pool("maximum", 2)]]


def _block_c(width: int) -> list[list[_Step]]:
    row, column = (1, 7), (7, 1)
    return [
        [_Conv("branch1x1", 192)],
        _chain("branch7x7", (width, width, 192), (1, row, column)),
        _chain("branch7x7dbl", (width, width, width, width, 192), (1, column, row, column, row)),
        _pooled("average", 192),
    ]


def _chain(name: str, widths: Sequence[int], kernels: Sequence[int | tuple[int, int]]) -> list[_Step]:
    return [_Conv(f"{name}_{i + 1}", w, k) for i, (w, k) in enumerate(zip(widths, kernels, strict=True))]


def _block_d() -> list[list[_Step]]:
    seven = _chain("branch7x7x3", (192, 192, 192), (1, (1, 7), (7, 1)))
    return [
        [_Conv("branch3x3_1", 192), _Conv("branch3x3_2", 320, 3, 2)],
        [*seven, _Conv("branch7x7x3_4", 192, 3, 2)],
        [_Pool("maximum", 2)],
    ]


def _block_e(pool: str) -> list[list[_Step]]:
    def fork(name: str) -> list[_Conv]:
        return [_Conv(f"{name}a", 384, (1, 3)), _Conv(f"{name}b", 384, (3, 1))]

    return [
        [_Conv("branch1x1", 320)],
        [_Conv("branch3x3_1", 384), fork("branch3x3_2")],
        [_Conv("branch3x3dbl_1", 448), _Conv("branch3x3dbl_2", 384, 3), fork("branch3x3dbl_3")],
        _pooled(pool, 192),
    ]


_MIXED = {
    "Mixed_5b": _block_a(32),
    "Mixed_5c": _block_a(64),
    "Mixed_5d": _block_a(64),
    "Mixed_6a": _block_b(),
    "Mixed_6b": _block_c(128),
    "Mixed_6c": _block_c(160),
    "Mixed_6d": _block_c(160),
    "Mixed_6e": _block_c(192),
    "Mixed_7a": _block_d(),
    "Mixed_7b": _block_e("average"),
    "Mixed_7c": _block_e("maximum"),
}


class _Unit(nn.Module):
    """Convolution, batch normalisation with fixed moments, ReLU."""

    def __init__(self, channels_in: int, spec: _Conv, padded: bool = True) -> None:
        super().__init__()
        kernel = (spec.kernel, spec.kernel) if isinstance(spec.kernel, int) else spec.kernel
        padding = (kernel[0] // 2, kernel[1] // 2) if padded and spec.stride == 1 else (0, 0)
        self.conv = nn.Conv2d(channels_in, spec.channels, kernel, spec.stride, padding, bias=False)
        self.bn: nn.Module = nn.BatchNorm2d(spec.channels, eps=1e-3)

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(self.bn(self.conv(x)), inplace=True)

    def fold(self) -> None:
        """Put the normalisation into the convolution."""
        fold(self.conv, self.bn)
        self.bn = nn.Identity()


class _Mixed(nn.Module):
    """Branches side by side; their channels are concatenated."""

    def __init__(self, channels: int, branches: Sequence[Sequence[_Step]]) -> None:
        super().__init__()
        self._branches = branches
        self.channels = 0
        for branch in branches:
            width = channels
            for step in branch:
                convs = [] if isinstance(step, _Pool) else [step] if isinstance(step, _Conv) else step
                for conv in convs:
                    self.add_module(conv.name, _Unit(width, conv))
                width = sum(conv.channels for conv in convs) or width
            self.channels += width

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self._branch(x, branch) for branch in self._branches], 1)

    def _branch(self, x: Tensor, branch: Sequence[_Step]) -> Tensor:
        for step in branch:
            if isinstance(step, _Pool):
                x = _pool(x, step)
            elif isinstance(step, _Conv):
                x = self.get_submodule(step.name)(x)
            else:
                x = torch.cat([self.get_submodule(conv.name)(x) for conv in step], 1)
        return x


def _pool(x: Tensor, pool: _Pool) -> Tensor:
    padding = 1 if pool.stride == 1 else 0
    if pool.kind == "maximum":
        return functional.max_pool2d(x, 3, pool.stride, padding)
    return functional.avg_pool2d(x, 3, pool.stride, padding, count_include_pad=False)


class FIDInception(nn.Module):
    """Inception-v3 for FID, with `load_state_dict` of pytorch-fid's and torch-fidelity's files."""

    def __init__(self) -> None:
        super().__init__()
        self.Conv2d_1a_3x3 = _Unit(3, _Conv("", 32, 3, 2))
        self.Conv2d_2a_3x3 = _Unit(32, _Conv("", 32, 3), padded=False)
        self.Conv2d_2b_3x3 = _Unit(32, _Conv("", 64, 3))
        self.Conv2d_3b_1x1 = _Unit(64, _Conv("", 80))
        self.Conv2d_4a_3x3 = _Unit(80, _Conv("", 192, 3), padded=False)
        channels = 192
        for name, branches in _MIXED.items():
            block = _Mixed(channels, branches)
            self.add_module(name, block)
            channels = block.channels
        self.fc = nn.Linear(channels, CLASSES)

    def fold(self) -> None:
        """Put every batch normalisation into its convolution: the same function, fewer passes over memory."""
        for module in self.modules():
            if isinstance(module, _Unit):
                module.fold()

    def forward(self, x: Tensor, tap: str = "2048") -> Tensor:
        """Features of images.

        Args:
            x: [N, 3, 299, 299] float32, scaled as the profile says, about [-1, 1].
            tap: a key of `TAPS`; what lies behind it is not computed.

        Returns:
            [N, TAPS[tap]].
        """
        x = self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(x)))
        x = functional.max_pool2d(x, 3, 2)
        if tap == "64":
            return x.mean((2, 3))
        x = functional.max_pool2d(self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(x)), 3, 2)
        if tap == "192":
            return x.mean((2, 3))
        for name in _MIXED:
            x = self.get_submodule(name)(x)
            if tap == "768" and name == "Mixed_6e":
                return x.mean((2, 3))
        x = x.mean((2, 3))
        if tap == "2048":
            return x
        return x @ self.fc.weight.T if tap == "logits_unbiased" else self.fc(x)
