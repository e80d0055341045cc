"""Options that several commands share, and what they stand for."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ivbench.backends.dtypes import DTYPES
from ivbench.errors import ConfigError
from ivbench.registry import names

if TYPE_CHECKING:
    from ivbench.config import SuiteConfig
    from ivbench.plan import Plan, Source

__all__ = [
    "Asked",
    "asked_by",
    "log_option",
    "not_an_input",
    "out_option",
    "plan_of",
    "results_file",
    "store_option",
    "suite_options",
    "timing_option",
    "trackers_option",
]

Command = TypeVar("Command", bound=Callable[..., Any])


@dataclass(frozen=True)
class Asked:
    """What the options of `suite_options` say.

    Attributes:
        suite: a packaged suite's name, or the path of a suite file.
        cascade: a card's name, a folder, which has a slash, or a generator such as python:module:object; None: the
            suite's own.
        backend: which framework samples: torch or jax.
        device: where networks run; the type of the device counts for the ids of tasks.
        dtype: what the stages' networks compute in.
        from_stage, to_stage: the part of the cascade; None: the suite's own.
        input: what `from_stage` starts from; None: the suite's own.
    """

    suite: str
    cascade: str | None = None
    backend: str = "torch"
    device: str = "cpu"
    dtype: str = DTYPES[0]
    from_stage: str | None = None
    to_stage: str | None = None
    input: str | None = None


_SUITE_OPTIONS = (
    click.option(
        "--suite",
        help="A packaged suite, or a YAML file.  [default: quick; of a generator: generator; of videos: videos]",
    ),
    click.argument("cascade", required=False, metavar="[CASCADE]"),
    click.option("--cascade", "named", metavar="CASCADE", help="The same as the argument."),
    click.option("--from-stage", metavar="STAGE", help="Sample from this stage on; it starts from --input."),
    click.option("--to-stage", metavar="STAGE", help="Sample up to this stage, and score its videos."),
    click.option("--input", metavar="VIDEOS", help="For --from-stage: real (clips of the prompts), or videos:FOLDER."),
    click.option(
        "--backend",
        type=click.Choice(["torch", "jax"]),
        default="torch",
        show_default=True,
        help="The framework that samples. Text encoders and extractors run in PyTorch.",
    ),
    click.option("--device", default="cpu", show_default=True, help="Where networks run: cpu, cuda:1, mps, tpu."),
    click.option(
        "--dtype",
        type=click.Choice(DTYPES),
        default=DTYPES[0],
        show_default=True,
        help="What the stages' networks compute in. The state of the sampler is float32.",
    ),
)


def suite_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that decide a plan; the command gets them together, as `asked`."""

    @wraps(command)
    def gathered(*args: Any, **kwargs: Any) -> Any:
        own = {name: kwargs.pop(name) for name in ("named", *(field.name for field in fields(Asked)))}
        return command(*args, asked=asked_by(own), **kwargs)

    found: Callable[..., Any] = gathered
    for option in reversed(_SUITE_OPTIONS):
        found = option(found)
    return found


def asked_by(values: Mapping[str, Any]) -> Asked:
    """What the values of `suite_options`, by parameter, ask for; others among them are left alone.

    Raises:
        ConfigError: they name two cascades.
    """
    cascade = _one_cascade(values["cascade"], values["named"])
    own = {field.name: values[field.name] for field in fields(Asked)}
    return Asked(**{**own, "cascade": cascade, "suite": values["suite"] or _default_suite(cascade)})


def _one_cascade(argument: str | None, option: str | None) -> str | None:
    if argument is not None and option is not None:
        raise ConfigError(f'got two cascades, "{argument}" and --cascade "{option}". Give one.')
    return argument if option is None else option


def _default_suite(cascade: str | None) -> str:
    from ivbench.adapters import is_door

    if cascade is None or not is_door(cascade):
        return "quick"
    return "videos" if cascade.startswith("videos:") else "generator"


def store_option(command: Command) -> Command:
    """Add `--store`."""
    text = "Folder of what was computed.  [default: $IVBENCH_STORE, or ivbench/store in the user's cache folder]"
    return click.option("--store", type=click.Path(path_type=Path), help=text)(command)


def out_option(command: Command) -> Command:
    """Add `--out`."""
    text = "Folder of the results.  [default: ivbench-out/SUITE-CASCADE]"
    return click.option("--out", type=click.Path(path_type=Path), help=text)(command)


def timing_option(command: Command) -> Command:
    """Add `--timing/--no-timing`."""
    text = "Measure sampling time; turn it off where other work runs on the machine."
    return click.option("--timing/--no-timing", default=True, show_default=True, help=text)(command)


def log_option(command: Command) -> Command:
    """Add `--log`."""
    return trackers_option("--log", "Log the results to this tracker too: {}; repeatable.")(command)


def trackers_option(flag: str, text: str, *, required: bool = False) -> Callable[[Command], Command]:
    """An option that takes trackers, as `trackers`; one whose library is missing is found before anything runs.

    Args:
        flag: the option's name.
        text: its help, with {} for the names.
        required: whether at least one is needed.
    """
    known = names("logger")
    return click.option(
        flag,
        "trackers",
        type=click.Choice(known),
        multiple=True,
        required=required,
        callback=_usable,
        metavar="TRACKER",
        help=text.format(", ".join(known)),
    )


def _usable(context: click.Context, _parameter: click.Parameter, trackers: tuple[str, ...]) -> tuple[str, ...]:
    if trackers and not context.resilient_parsing:
        from ivbench.report.loggers import require

        require(trackers)
    return trackers


def plan_of(asked: Asked) -> tuple[str, Plan]:
    """Work out the plan that a command's options ask for.

    Returns:
        The cascade's name or folder, and the plan.

    Raises:
        ConfigError: neither the options nor the suite name a cascade, or one of them is wrong.
        MissingFileError: a file that was named is not there.
    """
    from ivbench.config import read_suite
    from ivbench.plan import Execution, build_plan, cascade_source, stand_ins
    from ivbench.zoo import read_card

    suite = _with_part(read_suite(asked.suite), asked)
    name = asked.cascade or suite.cascade
    if name is None:
        raise ConfigError(f'suite "{suite.name}" names no cascade. Give one with --cascade; see: ivbench zoo list')
    execution = Execution(backend=asked.backend, device=asked.device.partition(":")[0], dtype=asked.dtype)
    name, source = _source(name, asked, suite.video.model_dump(exclude_none=True))
    variants = {variant: cascade_source(read_card(variant)) for variant in stand_ins(suite, source)}
    return name, build_plan(suite, source, execution, variants=variants)


def _source(name: str, asked: Asked, size: Mapping[str, float]) -> tuple[str, Source]:
    """What a name stands for, and the name by which another process finds it."""
    from ivbench.adapters import generator_source, is_door, open_door
    from ivbench.plan import cascade_source
    from ivbench.zoo import Card, read_card

    if is_door(name):
        found = open_door(name, asked.device, asked.dtype, size)
        if not isinstance(found, Card):
            if asked.backend != "torch":
                raise ConfigError(f"{name} samples in a framework of its own. Leave --backend {asked.backend} out.")
            return name, generator_source(found, name)
        name = str(found.folder)
    elif "/" in name or os.sep in name:
        name = str(Path(name).resolve())
    return name, cascade_source(read_card(name))


def _with_part(suite: SuiteConfig, asked: Asked) -> SuiteConfig:
    """The suite with the part of the cascade that the options name."""
    from ivbench.config import StagesConfig, parse

    named = {key: value for key in ("from_stage", "to_stage", "input") if (value := getattr(asked, key)) is not None}
    stages = parse(StagesConfig, {**suite.stages.model_dump(), **named}, asked.suite)
    return suite.model_copy(update={"stages": stages})


def not_an_input(out: Path | None, *inputs: Path | str) -> None:
    """Refuse to write over what was read.

    Raises:
        ConfigError: `out` is one of the inputs, or the place of one that is yet to be made.
    """
    if out is not None and any(_same_place(out, Path(path)) for path in inputs):
        raise ConfigError(f"{out} is what was read. Give another file to write to.")


def _same_place(one: Path, other: Path) -> bool:
    return one.samefile(other) if one.exists() and other.exists() else one.resolve() == other.resolve()


def results_file(path: Path) -> Path:
    """The results file that a command's argument names: a folder stands for its results.json."""
    return path / "results.json" if path.is_dir() else path
