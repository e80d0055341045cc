"""Noise that is the same everywhere: Philox, keyed by what it is for, never by batch, block, worker or backend.

The key is the first 128 bits of the sha256 of the canonical JSON of (seed, prompt digest, sample index, stage,
purpose, step). NumPy draws the values for every backend, so any two cells can be compared sample by sample.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import astuple, dataclass, replace
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from ivbench.errors import ConfigError

__all__ = ["NoiseKey", "Purpose", "normal", "normal_batch"]

Purpose = Literal["init", "step", "augment"]


@dataclass(frozen=True)
class NoiseKey:
    """Everything that decides one draw of noise.

    Args:
        seed: the run's seed, >= 0.
        prompt_digest: digest of the prompt's text.
        sample_index: which sample of that prompt, >= 0.
        stage: the stage's name.
        purpose: init (z at t = 1), step (a stochastic sampler's noise) or augment (noise conditioning augmentation).
        step: the sampler's step, >= 0; 0 for init and augment.

    Raises:
        ConfigError: a number below 0, or no such purpose.
    """

    seed: int
    prompt_digest: str
    sample_index: int = 0
    stage: str = "base"
    purpose: Purpose = "init"
    step: int = 0

    def __post_init__(self) -> None:
        for name in ("seed", "sample_index", "step"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 0:
                raise ConfigError(f"noise: {name} is {value!r}; it must be a whole number, 0 or more.")
        if self.purpose not in get_args(Purpose):
            raise ConfigError(f'noise: purpose is "{self.purpose}". Allowed: {", ".join(get_args(Purpose))}.')

    def at(self, purpose: Purpose, step: int = 0) -> NoiseKey:
        """The key of the same sample and stage for another purpose or step."""
        return replace(self, purpose=purpose, step=step)

    def philox(self) -> int:
        """The 128-bit Philox key."""
        text = json.dumps(astuple(self), ensure_ascii=True, separators=(",", ":"))
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:16], "little")


def normal(key: NoiseKey, shape: Sequence[int]) -> NDArray[np.float32]:
    """Standard normal noise for one sample.

    Args:
        key: what the noise is for.
        shape: of one sample: [T, H, W, C].

    Returns:
        [T, H, W, C] float32, the same on every machine with the same NumPy stream.

    Source: Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3" (Philox4x64-10).
    """
    generator = np.random.Generator(np.random.Philox(key=key.philox()))
    return generator.standard_normal(tuple(shape), dtype=np.float32)


def normal_batch(keys: Sequence[NoiseKey], shape: Sequence[int]) -> NDArray[np.float32]:
    """Standard normal noise for a batch: row i is `normal(keys[i], shape)`, whatever else is in the batch.

    Args:
        keys: B keys.
        shape: of one sample: [T, H, W, C].

    Returns:
        [B, T, H, W, C] float32.
    """
    batch = np.empty((len(keys), *shape), dtype=np.float32)
    for row, key in zip(batch, keys, strict=True):
        row[...] = normal(key, shape)
    return batch
