"""I3D, Inception-v1 inflated to three dimensions: its parameter names are those of i3d_pretrained_400.pt.

Source: Carreira & Zisserman 2017 (1705.07750), figure 3. Convolutions and pools pad as TensorFlow's "SAME" does, with
zeros, and more behind than before where the padding is odd.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from ivbench.extractors.torch_fold import fold

__all__ = ["CLASSES", "FEWEST_FRAMES", "I3D", "LEAST_SIDE"]

CLASSES = 400
FEWEST_FRAMES = 9
"""Its last pool takes two time steps, of 8 frames each."""
LEAST_SIDE = 193
"""Its last pool takes 7 x 7 places, of 32 pixels each, the last one of a pixel or more."""
Three = tuple[int, int, int]
Six = tuple[int, int, int, int, int, int]
_BLOCKS: dict[str, Six | tuple[Three, Three]] = {
    "Mixed_3b": (64, 96, 128, 16, 32, 32),
    "Mixed_3c": (128, 128, 192, 32, 96, 64),
    "MaxPool3d_4a_3x3": ((3, 3, 3), (2, 2, 2)),
    "Mixed_4b": (192, 96, 208, 16, 48, 64),
    "Mixed_4c": (160, 112, 224, 24, 64, 64),
    "Mixed_4d": (128, 128, 256, 24, 64, 64),
    "Mixed_4e": (112, 144, 288, 32, 64, 64),
    "Mixed_4f": (256, 160, 320, 32, 128, 128),
    "MaxPool3d_5a_2x2": ((2, 2, 2), (2, 2, 2)),
    "Mixed_5b": (256, 160, 320, 32, 128, 128),
    "Mixed_5c": (384, 192, 384, 48, 128, 128),
}
"""Of a Mixed block the channels of: 1x1; 1x1 and 3x3; 1x1 and 3x3; 1x1 after a pool. Of a pool kernel and stride."""


def _padding(x: Tensor, kernel: Three, stride: Three) -> list[int]:
    """Zeros before and behind W, H and T of [N, C, T, H, W], so that every stride's worth of input gives an output."""
    amounts: list[int] = []
    for length, k, s in zip(x.shape[:1:-1], kernel[::-1], stride[::-1], strict=True):
        total = max(k - (length % s or s), 0)
        amounts += [total // 2, total - total // 2]
    return amounts


def _padded(x: Tensor, kernel: Three, stride: Three) -> tuple[Tensor, list[int]]:
    """(x, what the layer itself pads T, H and W by): x is copied only where its two ends differ."""
    amounts = _padding(x, kernel, stride)
    if amounts[::2] == amounts[1::2]:
        return x, amounts[::-2]
    return functional.pad(x, amounts), [0, 0, 0]


class _Unit(nn.Module):
    """Convolution, batch normalisation with fixed moments, ReLU; or a convolution with a bias alone."""

    def __init__(self, channels_in: int, channels: int, kernel: int = 1, stride: int = 1, plain: bool = False) -> None:
        super().__init__()
        self.kernel, self.stride, self.plain = (kernel,) * 3, (stride,) * 3, plain
        self.conv3d = nn.Conv3d(channels_in, channels, kernel, stride, bias=plain)
        if not plain:
            self.bn: nn.Module = nn.BatchNorm3d(channels, eps=1e-5)

    def forward(self, x: Tensor) -> Tensor:
        x, padding = _padded(x, self.kernel, self.stride)
        x = functional.conv3d(x, self.conv3d.weight, self.conv3d.bias, self.stride, padding)
        return x if self.plain else functional.relu(self.bn(x), inplace=True)

    def fold(self) -> None:
        """Put the normalisation into the convolution."""
        if not self.plain:
            fold(self.conv3d, self.bn)
            self.bn = nn.Identity()


class _Pool(nn.Module):
    """Of what went through a ReLU: the layer's own padding, which never wins, is then as good as zeros."""

    def __init__(self, kernel: Three, stride: Three) -> None:
        super().__init__()
        self.kernel, self.stride = kernel, stride

    def forward(self, x: Tensor) -> Tensor:
        x, padding = _padded(x, self.kernel, self.stride)
        return functional.max_pool3d(x, self.kernel, self.stride, padding)


class _Mixed(nn.Module):
    """Four branches side by side."""

    def __init__(self, channels: int, widths: Six) -> None:
        super().__init__()
        first, narrow, wide, thin, small, pooled = widths
        self.b0 = _Unit(channels, first)
        self.b1a, self.b1b = _Unit(channels, narrow), _Unit(narrow, wide, 3)
        self.b2a, self.b2b = _Unit(channels, thin), _Unit(thin, small, 3)
        self.b3a, self.b3b = _Pool((3, 3, 3), (1, 1, 1)), _Unit(channels, pooled)
        self.channels = first + wide + small + pooled

    def forward(self, x: Tensor) -> Tensor:
        branches = [self.b0(x), self.b1b(self.b1a(x)), self.b2b(self.b2a(x)), self.b3b(self.b3a(x))]
        return torch.cat(branches, 1)


class I3D(nn.Module):
    """The RGB stream of I3D with Kinetics-400's classes."""

    def __init__(self) -> None:
        super().__init__()
        self.Conv3d_1a_7x7 = _Unit(3, 64, 7, 2)
        self.MaxPool3d_2a_3x3 = _Pool((1, 3, 3), (1, 2, 2))
        self.Conv3d_2b_1x1 = _Unit(64, 64)
        self.Conv3d_2c_3x3 = _Unit(64, 192, 3)
        self.MaxPool3d_3a_3x3 = _Pool((1, 3, 3), (1, 2, 2))
        channels = 192
        for name, spec in _BLOCKS.items():
            block = _Mixed(channels, spec) if len(spec) == 6 else _Pool(*spec)
            self.add_module(name, block)
            channels = block.channels if isinstance(block, _Mixed) else channels
        self.logits = _Unit(channels, CLASSES, plain=True)

    def fold(self) -> None:
        """Put every batch normalisation into its convolution: the same function, fewer passes over memory."""
        for module in self.modules():
            if isinstance(module, _Unit):
                module.fold()

    def forward(self, x: Tensor) -> Tensor:
        """Logits of clips, averaged over time: the features of FVD.

        Args:
            x: [N, 3, T, 224, 224] float32 in [-1, 1], T >= `FEWEST_FRAMES`.

        Returns:
            [N, 400].
        """
        for name, module in self.named_children():
            if name != "logits":
                x = module(x)
        x = functional.avg_pool3d(x, (2, 7, 7), stride=1)
        return self.logits(x).mean((2, 3, 4))
