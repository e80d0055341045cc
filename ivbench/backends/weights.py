"""What every backend asks of a stage's weights before it builds a network from them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ivbench.errors import ConfigError, NonFiniteError

__all__ = ["require_finite", "require_match"]

_SHOWN = 3


def require_match(stage: str, expected: Mapping[str, tuple[int, ...]], weights: Mapping[str, NDArray[Any]]) -> None:
    """Refuse weights whose names or shapes are not the spec's.

    Raises:
        ConfigError: lists what is missing, unexpected or of another shape.
    """
    missing = [name for name in expected if name not in weights]
    unexpected = [name for name in weights if name not in expected]
    reshaped = [
        f"{name} {list(weights[name].shape)} for {list(shape)}"
        for name, shape in expected.items()
        if name in weights and weights[name].shape != shape
    ]
    parts = [
        f"{len(found)} {kind} ({', '.join(found[:_SHOWN])}{', ...' if len(found) > _SHOWN else ''})"
        for kind, found in (("missing", missing), ("unexpected", unexpected), ("of another shape", reshaped))
        if found
    ]
    if parts:
        raise ConfigError(
            f'the weights of stage "{stage}" do not fit its spec: {"; ".join(parts)}. '
            "Give the weights that were trained with this cascade.yaml."
        )


def require_finite(stage: str, weights: Mapping[str, NDArray[Any]]) -> None:
    """Refuse NaN and infinity.

    Raises:
        NonFiniteError: names the first tensor.
    """
    for name, weight in weights.items():
        if not np.isfinite(weight).all():
            raise NonFiniteError(f'stage "{stage}" has NaN or infinity in its weight {name}. Give a sound checkpoint.')
