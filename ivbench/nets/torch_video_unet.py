"""The Video U-Net in PyTorch. Parameter names and shapes are those of `ivbench.spec.parameters`.

Outside, videos are [B, T, H, W, C]; inside, frames are [B*T, C, H, W] in channels-last memory, so that attention reads
the same bytes as [B*T, H*W, C] without a copy. What does not depend on z_t is computed once by `prepare`. A net
computes in the dtype of its parameters; z_t and the prediction keep theirs; scalars are embedded in float32 or more.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ivbench.errors import ShapeError
from ivbench.nets.torch_layers import ResidualBlock, Stem, Upsample, conv, fourier, silent, space_to_depth
from ivbench.spec import Block, VideoUNetSpec, layout
from ivbench.spec.parameters import FOURIER_DIM, VIDEO_CHANNELS

__all__ = ["Context", "TorchVideoUNet"]


@dataclass(frozen=True)
class Context:
    """What a stage's network evaluations share; made by `TorchVideoUNet.prepare`.

    Attributes:
        stem: [B*T, channels, h, w] the conditioning video's and the coordinates' share of the stem; None without.
        embedding: [B, T, E] the share of text, augmentation, guidance weight and frame index.
        text: for each block with spatial attention, keys and values [B*T, 2, heads, L, head_dim].
        text_mask: [B*T, 1, 1, L] additive: 0 = a token, -inf = padding.
        images: [B] bool: rows that are packs of independent images; None when all are videos.
    """

    stem: Tensor | None
    embedding: Tensor
    text: dict[str, Tensor]
    text_mask: Tensor
    images: Tensor | None = None


class TorchVideoUNet(nn.Module):
    """A Video U-Net built from its spec. Source: Imagen Video (2210.02303), section 2.2."""

    def __init__(self, spec: VideoUNetSpec) -> None:
        super().__init__()
        self.spec = spec
        self._layout = layout(spec)
        self.embedding = _embedding(spec)
        self.stem = Stem(spec)
        for block in self._layout:
            self._attach(block.name, _make(block, spec))
        self.head = _Head(spec)

    def _attach(self, name: str, module: nn.Module) -> None:
        *path, last = name.split(".")
        parent: nn.Module = self
        for part in path:
            if not hasattr(parent, part):
                parent.add_module(part, nn.Module())
            parent = cast(nn.Module, getattr(parent, part))
        parent.add_module(last, module)

    @property
    def dtype(self) -> torch.dtype:
        """Of the parameters, and of what is computed with them."""
        return self.stem.weight.dtype

    def prepare(
        self,
        tokens: Tensor,
        mask: Tensor,
        pooled: Tensor,
        frames: int,
        size: tuple[int, int],
        conditioning: Tensor | None = None,
        augmentation: Tensor | None = None,
        guidance: Tensor | None = None,
        images: Tensor | None = None,
        jump: Tensor | None = None,
    ) -> Context:
        """Compute once what every evaluation of a stage shares.

        Args:
            tokens: [B, L, D] or, for packs of images, [B, T, L, D]: text embeddings.
            mask: [B, L] or [B, T, L] bool: True = a token.
            pooled: [B, D] or [B, T, D].
            frames: T.
            size: (H, W) of the video.
            conditioning: [B, T, H, W, C] in [-1, 1]: the upsampled conditioning video, where the spec has one.
            augmentation: [B] log SNR of the conditioning video's noise, where the spec embeds it.
            guidance: [B] guidance weight w, where the spec embeds it.
            images: [B] bool: rows that are packs of independent images.
            jump: [B] how many steps of 1/N the prediction is used for, where the spec embeds it.

        Raises:
            ShapeError: the text has another width, or the conditioning video, its log SNR, the guidance weight or the
                jump is missing, of another shape, or given to a net that has no place for it.
        """
        batch = tokens.shape[0]
        self._require_inputs(tokens, (batch, frames, *size, VIDEO_CHANNELS), conditioning)
        tokens, pooled = tokens.to(self.dtype), pooled.to(self.dtype)
        conditioning = None if conditioning is None else conditioning.to(self.dtype)
        tokens, mask, pooled = (_per_frame(x, frames, n) for x, n in ((tokens, 3), (mask, 2), (pooled, 2)))
        additive = torch.zeros(mask.shape, dtype=tokens.dtype, device=tokens.device).masked_fill(~mask, -math.inf)
        flat = tokens.flatten(0, 1)
        return Context(
            stem=self.stem.shared(conditioning, batch * frames, size),
            embedding=self._shared_embedding(
                pooled, {"augmentation": augmentation, "guidance": guidance, "jump": jump}, images
            ),
            text={b.name: self._block(b.name).spatial.text_kv(flat) for b in self._layout if b.attention},
            text_mask=additive.flatten(0, 1)[:, None, None, :],
            images=images,
        )

    def forward(self, z: Tensor, logsnr: Tensor, context: Context) -> Tensor:
        """One network evaluation.

        Args:
            z: [B, T, H, W, C] float: z_t.
            logsnr: [B] nats.
            context: of `prepare`, for the same B and T.

        Returns:
            [B, T, H, W, C], dtype of `z`: the prediction, in the stage's parameterization.
        """
        batch, frames, height, width, _ = z.shape
        embedding = context.embedding + self._scalar("logsnr", logsnr)[:, None]
        embedding = self.embedding["output"](F.silu(self.embedding["hidden"](F.silu(embedding))))
        embedding = F.silu(embedding).flatten(0, 1)
        x = self.stem(z.to(self.dtype).reshape(batch * frames, height, width, VIDEO_CHANNELS), context.stem)
        skips: list[Tensor] = []
        for block in self._layout:
            module = self._block(block.name)
            if block.kind != "block":
                x = module(x)
                continue
            if block.skip == "load":
                x = torch.cat([x, skips.pop() * self.spec.skip_scale], dim=1)
            x = module(x, embedding, frames, context.text.get(block.name), context.text_mask, context.images)
            if block.skip == "save":
                skips.append(x)
        output = cast(Tensor, self.head(x, embedding)).reshape(z.shape).to(z.dtype)
        return _velocity(z, output, logsnr) if self.spec.clean_head else output

    def _require_inputs(self, tokens: Tensor, shape: tuple[int, ...], conditioning: Tensor | None) -> None:
        if tokens.shape[-1] != self.spec.text_dim:
            raise ShapeError(f"text tokens must have width {self.spec.text_dim}, got {tokens.shape[-1]}")
        if self.spec.conditioning and (conditioning is None or conditioning.shape != shape):
            got = None if conditioning is None else list(conditioning.shape)
            raise ShapeError(f"the conditioning video must be {list(shape)}, got {got}")
        if conditioning is not None and not self.spec.conditioning:
            raise ShapeError("this net takes no conditioning video: give None, or a spec with conditioning")

    def _block(self, name: str) -> ResidualBlock:
        return cast(ResidualBlock, self.get_submodule(name))

    def _shared_embedding(self, pooled: Tensor, scalars: dict[str, Tensor | None], images: Tensor | None) -> Tensor:
        frames = pooled.shape[1]
        frame = self._scalar("frame", torch.arange(frames, device=pooled.device))[None]
        if images is not None:
            frame = frame * (~images)[:, None, None]
        shared = self.embedding["text"](pooled) + frame
        for name, value in scalars.items():
            if (value is not None) != (name in self.embedding):
                verb = "embeds" if value is None else "does not embed"
                raise ShapeError(f"this net {verb} {name}: give {'it as [B]' if value is None else 'None'}")
            if value is not None:
                shared = shared + self._scalar(name, value)[:, None]
        return cast(Tensor, shared)

    def _scalar(self, name: str, value: Tensor) -> Tensor:
        """Embed a scalar, its sinusoids in float32 or more: [...] -> [..., E]."""
        wide = value.to(torch.promote_types(torch.float32, self.dtype))
        return cast(Tensor, self.embedding[name](fourier(wide, FOURIER_DIM).to(self.dtype)))


class _Head(nn.Module):
    """Norm, FiLM where the spec has it, SiLU, 3x3 convolution, depth to space."""

    def __init__(self, spec: VideoUNetSpec) -> None:
        super().__init__()
        self.fold = spec.space_to_depth
        self.norm = nn.GroupNorm(spec.groups, spec.channels)
        self.film = silent(nn.Linear(spec.embedding_dim, 2 * spec.channels)) if spec.head_film else None
        outputs = VIDEO_CHANNELS * self.fold**2
        self.weight = nn.Parameter(torch.zeros(outputs, spec.channels, 3, 3))
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        h = self.norm(x)
        if self.film is not None:
            scale, shift = self.film(embedding)[:, :, None, None].chunk(2, dim=1)
            h = torch.addcmul(shift, h, 1 + scale)
        y = conv(F.silu(h), self.weight, self.bias).permute(0, 2, 3, 1)
        return space_to_depth(y, self.fold, inverse=True)


def _make(block: Block, spec: VideoUNetSpec) -> nn.Module:
    if block.kind == "down":
        return nn.Conv2d(block.inputs, block.outputs, 3, stride=2, padding=1)
    if block.kind == "up":
        return Upsample(block.inputs, block.outputs)
    return ResidualBlock(block, spec)


def _embedding(spec: VideoUNetSpec) -> nn.ModuleDict:
    parts = {"logsnr": FOURIER_DIM, "frame": FOURIER_DIM}
    if spec.augmentation:
        parts["augmentation"] = FOURIER_DIM
    if spec.guidance_embedding:
        parts["guidance"] = FOURIER_DIM
    if spec.jump_embedding:
        parts["jump"] = FOURIER_DIM
    parts |= {"text": spec.text_dim, "hidden": spec.embedding_dim, "output": spec.embedding_dim}
    return nn.ModuleDict({name: nn.Linear(inputs, spec.embedding_dim) for name, inputs in parts.items()})


def _velocity(z: Tensor, x: Tensor, logsnr: Tensor) -> Tensor:
    """The velocity v = (alpha z - x) / sigma, since x = alpha z - sigma v (Salimans & Ho 2022, section 4)."""
    alpha, sigma = (torch.sigmoid(sign * logsnr).sqrt()[:, None, None, None, None] for sign in (1.0, -1.0))
    return (alpha * z - x) / sigma


def _per_frame(x: Tensor, frames: int, dims: int) -> Tensor:
    """Give [B, ...] a frame axis: [B, T, ...]; leave what has one."""
    return x if x.ndim == dims + 1 else x[:, None].expand(x.shape[0], frames, *x.shape[1:])
