"""What stands before the colon: `python:module:object`, `diffusers:FOLDER`, or an adapter of another package."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from ivbench import registry
from ivbench.adapters.denoiser import DenoiserCascade
from ivbench.adapters.generator import Generator
from ivbench.errors import ConfigError
from ivbench.plan import GeneratorSource
from ivbench.spec import GeneratorSpec
from ivbench.zoo import Card

__all__ = ["generator_source", "is_door", "open_door"]

_DOOR = re.compile(r"[a-z][a-z0-9_-]+:(?!//)")


def is_door(name: str) -> bool:
    """Whether a name has the form DOOR:WHAT, and so is no card's name or folder."""
    return _DOOR.match(name) is not None


def open_door(
    name: str, device: str = "cpu", dtype: str = "float32", size: Mapping[str, float] = MappingProxyType({})
) -> Generator | Card:
    """The generator that a name stands for; or the card, where it is a denoiser cascade that has one.

    `python:module:object`: the object is called with the device. `ADAPTER:WHAT`: the registered adapter is called with
    WHAT and the device. One that lists `dtypes` gets the dtype too. A denoiser cascade's class is asked for its card.

    Args:
        name: as above.
        device: where its networks run.
        dtype: what they compute in.
        size: of the videos, as far as the suite asks for it: what a cascade in a file needs before it has a card.

    Raises:
        ConfigError: no such object or adapter, it is no generator, or it does not compute in that dtype.
    """
    door, _, what = name.partition(":")
    is_python = door == "python"
    make = registry.load("adapter", name if is_python else door)
    if inspect.isclass(make) and not hasattr(make, "generate") and not issubclass(make, DenoiserCascade):
        raise ConfigError(f'"{door}" is no generator. A card names it as its adapter; give the card\'s folder.')
    dtypes = getattr(make, "dtypes", ())
    if dtype not in (dtypes or ("float32",)):
        raise ConfigError(f"{name}: dtype is {dtype}. Allowed: {', '.join(dtypes) or 'float32'}.")
    if inspect.isclass(make) and issubclass(make, DenoiserCascade):
        return make.card_of(what, size)
    found = _made(make, (device,) if is_python else (what, device), (dtype,) if dtypes else (), name)
    if isinstance(found, DenoiserCascade):
        return found.card
    _require_generator(found, name)
    generator: Generator = found
    return generator


def generator_source(generator: Generator, name: str) -> GeneratorSource:
    """The source of a plan that a generator describes.

    Args:
        generator: as `open_door` gives it.
        name: what it was opened by; the part before the colon, or for Python the whole, is part of every id.
    """
    adapter = name if name.startswith("python:") else name.partition(":")[0]
    return GeneratorSource(
        spec=generator.spec,
        adapter=adapter,
        version=generator.version,
        weights_digest=_require_text(getattr(generator, "weights", None), "weights", name),
        description=getattr(generator, "description", ""),
        files=getattr(generator, "files", {}),
    )


def _made(make: Any, arguments: tuple[str, ...], more: tuple[str, ...], name: str) -> Any:
    if not callable(make):
        raise ConfigError(f"{name} is a {type(make).__name__}. A class or function is needed: it gets the device.")
    try:
        inspect.signature(make).bind(*arguments, *more)
    except TypeError as error:
        raise ConfigError(f"{name} cannot be called with {', '.join(arguments + more)}: {error}.") from None
    return make(*arguments, *more)


def _require_generator(found: Any, name: str) -> None:
    spec, version = getattr(found, "spec", None), getattr(found, "version", None)
    if not isinstance(spec, GeneratorSpec) or not callable(getattr(found, "generate", None)):
        raise ConfigError(
            f"{name} gave a {type(found).__name__}. A generator has a spec (GeneratorSpec), a version, weights (their "
            "digest) and generate(request)."
        )
    _require_text(version, "version", name)


def _require_text(value: Any, what: str, name: str) -> str:
    if not isinstance(value, str) or not value:
        raise ConfigError(
            f"{name}: {what} is {value!r}. A text is needed, which tells its videos from those of another {what}."
        )
    return value
