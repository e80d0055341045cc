"""The Video U-Net in JAX. Parameter names are those of `ivbench.spec.parameters`; `arranged` turns the file's layout.

A net is functions of parameters, so that it can be jitted and differentiated. It computes in the dtype of its
parameters; z_t and the prediction keep theirs. What does not depend on z_t is computed once by `prepare`.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

from ivbench.errors import ShapeError
from ivbench.nets.jax_layers import (
    Array,
    Parameters,
    conv,
    downsample,
    film,
    fourier,
    group_norm,
    linear,
    residual_block,
    space_to_depth,
    stem_share,
    text_kv,
    upsample,
)
from ivbench.spec import VideoUNetSpec, layout
from ivbench.spec.parameters import FOURIER_DIM, VIDEO_CHANNELS

__all__ = ["Context", "evaluate", "prepare"]


class Context(NamedTuple):
    """What a stage's network evaluations share; made by `prepare`.

    Attributes:
        stem: [B*T, h, w, channels] the conditioning video's and the coordinates' share of the stem; None without.
        embedding: [B, T, E] the share of text, augmentation, guidance weight and frame index.
        text: for each block with spatial attention, keys and values [B*T, L, 2, heads, head_dim].
        text_mask: [B*T, 1, 1, L] bool: True = a token.
        images: [B] bool: rows that are packs of independent images; None when all are videos.
    """

    stem: Array | None
    embedding: Array
    text: dict[str, Array]
    text_mask: Array
    images: Array | None = None


def prepare(
    spec: VideoUNetSpec,
    parameters: Parameters,
    tokens: Array,
    mask: Array,
    pooled: Array,
    frames: int,
    size: tuple[int, int],
    conditioning: Array | None = None,
    augmentation: Array | None = None,
    guidance: Array | None = None,
    images: Array | None = None,
    jump: Array | None = None,
) -> Context:
    """Compute once what every evaluation of a stage shares.

    Args:
        spec: the net.
        parameters: of `arranged`.
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
    _require_inputs(spec, tokens, (batch, frames, *size, VIDEO_CHANNELS), conditioning)
    dtype = parameters["stem.weight"].dtype
    tokens, mask, pooled = (_per_frame(x, frames, n) for x, n in ((tokens, 3), (mask, 2), (pooled, 2)))
    flat = tokens.reshape(batch * frames, *tokens.shape[2:]).astype(dtype)
    return Context(
        stem=stem_share(parameters, spec, conditioning, batch * frames, size),
        embedding=_shared_embedding(
            parameters, pooled, {"augmentation": augmentation, "guidance": guidance, "jump": jump}, images
        ),
        text={b.name: text_kv(parameters, spec, b, flat) for b in layout(spec) if b.attention},
        text_mask=mask.reshape(batch * frames, 1, 1, mask.shape[-1]),
        images=images,
    )


def evaluate(spec: VideoUNetSpec, parameters: Parameters, z: Array, logsnr: Array, context: Context) -> Array:
    """One network evaluation.

    Args:
        spec: the net.
        parameters: of `arranged`.
        z: [B, T, H, W, C] float: z_t.
        logsnr: [B] nats.
        context: of `prepare`, for the same B and T.

    Returns:
        [B, T, H, W, C], dtype of `z`: the prediction, in the stage's parameterization.
    """
    p, (batch, frames, height, width, _) = parameters, z.shape
    embedding = _embedding(p, logsnr, context)
    x = _stem(spec, p, z.reshape(batch * frames, height, width, VIDEO_CHANNELS), context.stem)
    skips: list[Array] = []
    for block in layout(spec):
        if block.kind != "block":
            x = (downsample if block.kind == "down" else upsample)(p, block.name, x)
            continue
        if block.skip == "load":
            x = jnp.concatenate([x, skips.pop() * spec.skip_scale], axis=-1)
        text = context.text.get(block.name)
        x = residual_block(p, spec, block, x, embedding, frames, text, context.text_mask, context.images)
        if block.skip == "save":
            skips.append(x)
    output = _head(spec, p, x, embedding).reshape(z.shape).astype(z.dtype)
    return _velocity(z, output, logsnr) if spec.clean_head else output


def _stem(spec: VideoUNetSpec, p: Parameters, frames: Array, share: Array | None) -> Array:
    """Space to depth and a 3x3 convolution whose kernel is split by input."""
    folded = space_to_depth(frames.astype(p["stem.weight"].dtype), spec.space_to_depth)
    x = conv(folded, p["stem.weight"]) + p["stem.bias"]
    return x if share is None else x + share


def _head(spec: VideoUNetSpec, p: Parameters, x: Array, embedding: Array) -> Array:
    """Norm, FiLM where the spec has it, SiLU, 3x3 convolution, depth to space."""
    h = group_norm(p, "head.norm", x, spec.groups)
    if spec.head_film:
        h = film(p, "head.film", embedding, h)
    y = conv(jax.nn.silu(h), p["head.weight"]) + p["head.bias"]
    return space_to_depth(y, spec.space_to_depth, inverse=True)


def _embedding(p: Parameters, logsnr: Array, context: Context) -> Array:
    """[B*T, E]: the shared embedding with this step's log SNR."""
    e = context.embedding + _scalar(p, "logsnr", logsnr)[:, None]
    e = linear(p, "embedding.output", jax.nn.silu(linear(p, "embedding.hidden", jax.nn.silu(e))))
    return jax.nn.silu(e).reshape(-1, e.shape[-1])


def _shared_embedding(p: Parameters, pooled: Array, scalars: dict[str, Array | None], images: Array | None) -> Array:
    frame = _scalar(p, "frame", jnp.arange(pooled.shape[1]))[None]
    if images is not None:
        frame = frame * ~images[:, None, None]
    shared = linear(p, "embedding.text", pooled.astype(p["stem.weight"].dtype)) + frame
    for name, value in scalars.items():
        if (value is not None) != (f"embedding.{name}.weight" in p):
            verb = "embeds" if value is None else "does not embed"
            raise ShapeError(f"this net {verb} {name}: give {'it as [B]' if value is None else 'None'}")
        if value is not None:
            shared = shared + _scalar(p, name, value)[:, None]
    return shared


def _scalar(p: Parameters, name: str, value: Array) -> Array:
    """Embed a scalar, its sinusoids in float32 or more: [...] -> [..., E]."""
    dtype = p["stem.weight"].dtype
    wide = jnp.asarray(value, jnp.promote_types(jnp.float32, dtype))
    return linear(p, f"embedding.{name}", fourier(wide, FOURIER_DIM).astype(dtype))


def _velocity(z: Array, x: Array, logsnr: Array) -> Array:
    """The velocity v = (alpha z - x) / sigma, since x = alpha z - sigma v (Salimans & Ho 2022, section 4)."""
    alpha, sigma = (jnp.sqrt(jax.nn.sigmoid(sign * logsnr))[:, None, None, None, None] for sign in (1, -1))
    return (alpha * z - x) / sigma


def _per_frame(x: Array, frames: int, dims: int) -> Array:
    """Give [B, ...] a frame axis: [B, T, ...]; leave what has one."""
    return x if x.ndim == dims + 1 else jnp.broadcast_to(x[:, None], (x.shape[0], frames, *x.shape[1:]))


def _require_inputs(spec: VideoUNetSpec, tokens: Array, shape: tuple[int, ...], conditioning: Array | None) -> None:
    if tokens.shape[-1] != spec.text_dim:
        raise ShapeError(f"text tokens must have width {spec.text_dim}, got {tokens.shape[-1]}")
    if spec.conditioning and (conditioning is None or conditioning.shape != shape):
        got = None if conditioning is None else list(conditioning.shape)
        raise ShapeError(f"the conditioning video must be {list(shape)}, got {got}")
    if conditioning is not None and not spec.conditioning:
        raise ShapeError("this net takes no conditioning video: give None, or a spec with conditioning")
