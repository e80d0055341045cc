"""Which tensors of a checkpoint are a stage's weights: EMA before raw, containers of the usual names looked through.

The rest is accounted for: optimizers and the like, and the set of weights that was not chosen, are said to be left
out; any other tensor is unexpected.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ivbench.adapters.formats.tree import Arrays
from ivbench.config.checkpoint import CheckpointConfig, StageSource
from ivbench.errors import ConfigError

__all__ = ["Chosen", "Rest", "choose", "rest"]

_EMA = (
    "ema",
    "ema_params",
    "params_ema",
    "ema_state_dict",
    "state_dict_ema",
    "ema_model_state_dict",
    "model_ema",
    "ema_model",
    "ema_weights",
    "module_ema",
)
_RAW = ("params", "state_dict", "model_state_dict", "model", "module", "weights", "target", "state", "default")
_OTHER = (
    "callbacks",
    "epoch",
    "global_step",
    "grad_scaler",
    "hyper_parameters",
    "loops",
    "lr_scheduler",
    "lr_schedulers",
    "opt",
    "opt_state",
    "optimizer",
    "optimizer_state",
    "optimizer_state_dict",
    "optimizer_states",
    "optimizers",
    "rng",
    "rng_state",
    "scaler",
    "scheduler",
    "step",
)


@dataclass(frozen=True)
class Chosen:
    """A stage's weights within a checkpoint.

    Attributes:
        path: dotted; "" = the top.
        ema: whether it lies in a set of EMA weights.
        arrays: by name below the path.
        others: paths that the card names for the same weights and that were not taken.
    """

    path: str
    ema: bool
    arrays: Arrays
    others: tuple[str, ...] = ()

    @property
    def said(self) -> str:
        """`ema_params.base (EMA)`."""
        return f"{self.path or 'the top'} ({'EMA' if self.ema else 'raw'})"

    def full(self, name: str) -> str:
        """A name from the top of the checkpoint."""
        return f"{self.path}.{name}" if self.path else name


def choose(arrays: Arrays, stage: str, source: StageSource, config: CheckpointConfig, only: bool, where: str) -> Chosen:
    """Find a stage's weights.

    Args:
        arrays: of the whole checkpoint, by dotted name.
        stage: its name.
        source: where the card says that they lie.
        config: whether EMA weights are taken.
        only: whether the checkpoint holds this stage alone, so that its name need not appear.
        where: how messages call the checkpoint.

    Raises:
        ConfigError: there are none, or EMA weights are asked for and there are none.
    """
    if source.raw is None and source.ema is None:
        found = _search(arrays, stage, config.use, only, where)
    else:
        found = _declared(arrays, stage, source, config.use, where)
    if config.use == "ema" and not found.ema:
        raise ConfigError(
            f'{where} has no EMA weights of stage "{stage}" that are known as such. Set checkpoint.stages.{stage}.ema.'
        )
    return found


def _declared(arrays: Arrays, stage: str, source: StageSource, use: str, where: str) -> Chosen:
    wanted = [(source.ema, True)] * (use != "raw") + [(source.raw, False)] * (use != "ema")
    paths = [path for path in (source.ema, source.raw) if path is not None]
    for path, ema in wanted:
        if path is not None and (below := _below(arrays, path)):
            return Chosen(path, ema, below, tuple(other for other in paths if other != path))
    tops = ", ".join(_heads(arrays))
    raise ConfigError(f'{where} has nothing of stage "{stage}" at {" or ".join(map(repr, paths))}. It has: {tops}.')


def _search(arrays: Arrays, stage: str, use: str, only: bool, where: str) -> Chosen:
    path: list[str] = []
    ema = entered = False
    while True:
        heads = _heads(arrays)
        known = [head for head in _EMA if head in heads and not ema]
        plain = [head for head in heads if head not in _OTHER and head not in known]
        if known and use != "raw":
            head, ema = known[0], True
        elif stage in heads and not entered:
            head, entered = stage, True
        elif len(plain) == 1 and plain[0] in _RAW and _below(arrays, plain[0]):
            head = plain[0]
        else:
            break
        path.append(head)
        arrays = _below(arrays, head)
    if not (entered or only):
        raise ConfigError(
            f'{where} has no "{stage}" {"at " + ".".join(path) if path else "at its top"}; it has: '
            f"{', '.join(_heads(arrays)[:12])}. Say where it lies: checkpoint.stages.{stage}.raw or .ema in the card."
        )
    return Chosen(".".join(path), ema, arrays)


def _heads(arrays: Iterable[str]) -> list[str]:
    """The first keys, in order."""
    return list(dict.fromkeys(name.partition(".")[0] for name in arrays))


def _below(arrays: Arrays, path: str) -> Arrays:
    if not path:
        return arrays
    return {name[len(path) + 1 :]: array for name, array in arrays.items() if name.startswith(f"{path}.")}


@dataclass(frozen=True)
class Rest:
    """Tensors of a checkpoint that are no stage's weights.

    Attributes:
        left_out: why -> how many: what is expected beside weights, and what the card ignores.
        unexpected: names from the top.
    """

    left_out: dict[str, int]
    unexpected: tuple[str, ...]


def rest(arrays: Arrays, chosen: Sequence[Chosen], stages: Iterable[str], ignore: Sequence[str]) -> Rest:
    """Account for the tensors that were not chosen.

    Args:
        arrays: of the whole checkpoint, by dotted name.
        chosen: what was taken from it.
        stages: their names.
        ignore: the card's regular expressions.
    """
    used = {one.full(name) for one in chosen for name in one.arrays}
    looked_through = {*_EMA, *_RAW, *stages}
    twins = {_stripped(name, looked_through) for name in used}
    others = tuple(f"{path}." if path else "" for one in chosen for path in one.others)
    left_out: dict[str, int] = {}
    unexpected = []
    for name in arrays:
        if name in used:
            continue
        other = next((key for key in name.split(".") if key in _OTHER), None)
        if any(re.fullmatch(pattern, name) for pattern in ignore):
            why = "ignored by the card"
        elif other is not None:
            why = other
        elif _stripped(name, looked_through) in twins or (others and name.startswith(others)):
            why = "the other set of weights"
        else:
            unexpected.append(name)
            continue
        left_out[why] = left_out.get(why, 0) + 1
    return Rest(left_out, tuple(unexpected))


def _stripped(name: str, containers: set[str]) -> str:
    """A name without the containers that lead to it."""
    keys = name.split(".")
    while len(keys) > 1 and keys[0] in containers:
        keys = keys[1:]
    return ".".join(keys)
