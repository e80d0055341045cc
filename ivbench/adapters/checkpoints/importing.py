"""From a checkpoint and a card to a native cascade: a folder with safetensors, cascade.yaml and a card with digests."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from ivbench.adapters.checkpoints.audit import Audit, AuditError, audit_stage
from ivbench.adapters.checkpoints.choice import Chosen, Rest, choose, rest
from ivbench.adapters.checkpoints.key_map import Renamed, apply_key_map
from ivbench.adapters.formats.base import CheckpointFormat, format_of, formats
from ivbench.adapters.formats.dtypes import dtype_named
from ivbench.adapters.formats.safetensors_file import SafetensorsFormat
from ivbench.adapters.formats.tree import Arrays, flatten
from ivbench.backends.weights import require_finite
from ivbench.config import CardConfig, digest, file_digest, parse_card, read_cascade, read_yaml
from ivbench.config.checkpoint import CheckpointConfig, StageSource
from ivbench.errors import ConfigError, MissingFileError, did_you_mean
from ivbench.spec import CascadeSpec, parameters

__all__ = ["Imported", "import_cascade"]

_CARD, _CASCADE = "card.yaml", "cascade.yaml"


@dataclass(frozen=True, eq=False)
class _Source:
    """One file or folder of a checkpoint, read."""

    path: Path
    format: CheckpointFormat
    arrays: Arrays
    chosen: dict[str, Chosen] = field(default_factory=dict)


@dataclass(frozen=True)
class Imported:
    """What an import did.

    Attributes:
        folder: of the native cascade.
        audits: one a stage.
        chosen: stage -> which tensors were taken, in words.
        left_out: why -> how many tensors that are no weights.
    """

    folder: Path
    audits: tuple[Audit, ...]
    chosen: dict[str, str]
    left_out: dict[str, int]


def import_cascade(
    source: Path, card: Path, out: Path, allow_partial: bool = False, trust_pickle: bool = False
) -> Imported:
    """Read a checkpoint, audit it against the cascade, and write a native cascade.

    Args:
        source: a checkpoint of any known format, or a folder with one a stage.
        card: a card.yaml with a section `checkpoint`; cascade.yaml lies beside it.
        out: the folder to make; it must not exist, and has the card's name.
        allow_partial: go on where the load is not clean; the new card then says so, and every run's results with it.
        trust_pickle: run the code of pickles in the checkpoint.

    Raises:
        AuditError: the load is not clean, and `allow_partial` is not set.
        ConfigError: card, cascade or checkpoint are wrong, or `out` cannot be made.
        NonFiniteError: NaN or infinity in the weights.
    """
    config, spec = _read_card(card)
    _require_free(out, config.name)
    settings = config.checkpoint or CheckpointConfig()
    wanted = _wanted(spec, settings, card)
    sources = _read_sources(source, wanted, settings, trust_pickle)
    for each in sources:
        for stage, place in wanted.items():
            if stage in each.chosen:
                only = len(each.chosen) == 1
                each.chosen[stage] = choose(each.arrays, stage, place, settings, only, str(each.path))
    audits, weights, left_out = _audited(spec, sources, settings)
    if any(audit.faults for audit in audits) and not allow_partial:
        raise AuditError(audits)
    for stage, arrays in weights.items():
        require_finite(stage, arrays)
    said = {stage: one.said for each in sources for stage, one in each.chosen.items()}
    imported = Imported(out, audits, said, left_out)
    _write(card, imported, weights, _provenance(source, sources, imported, trust_pickle))
    return imported


def _read_card(card: Path) -> tuple[CardConfig, CascadeSpec]:
    config = parse_card(read_yaml(card), str(card))
    if config.kind != "cascade":
        raise ConfigError(f"{card} is a {config.kind}'s card, a cascade's is needed. Set kind: cascade.")
    if config.weights or config.files:
        raise ConfigError(f"{card} names weights or files already: the import writes these. Remove both keys.")
    if not (card.parent / _CASCADE).is_file():
        raise MissingFileError(f"{card.parent / _CASCADE} is not there. Describe the stages in it, beside the card.")
    spec = read_cascade(card.parent / _CASCADE)
    foreign = [stage.name for stage in spec.stages if stage.network is not None]
    if foreign:
        raise ConfigError(f'stage "{foreign[0]}" is no Video U-Net of ours, its adapter reads its weights itself.')
    return config, spec


def _require_free(out: Path, name: str) -> None:
    if out.resolve().name != name:
        raise ConfigError(f'--out is "{out}", the card\'s name is "{name}". Make the folder\'s name equal to it.')
    if out.exists():
        raise ConfigError(f"{out} exists. Remove it, or give another folder.")


def _wanted(spec: CascadeSpec, settings: CheckpointConfig, card: Path) -> dict[str, StageSource]:
    """The stages that are read, in order, and where their weights lie."""
    names = [stage.name for stage in spec.stages]
    for stage in settings.stages:
        if stage not in names:
            raise ConfigError(f"{card}: checkpoint.stages.{stage} is no stage.{did_you_mean(stage, names)}")
    return {name: settings.stages.get(name, StageSource()) for name in names if name in (settings.stages or names)}


def _read_sources(
    source: Path, wanted: Mapping[str, StageSource], settings: CheckpointConfig, trust_pickle: bool
) -> list[_Source]:
    """Each file once, with the stages that come from it; their tensors are not chosen yet."""
    if not source.exists():
        raise MissingFileError(f"{source} is not there. Give the path of a checkpoint.")
    single = source.is_file() or any(each.knows(source) for each in formats())
    files = {stage: source if single else _file_of(source, stage, place) for stage, place in wanted.items()}
    found = []
    for path in dict.fromkeys(files.values()):
        kind = format_of(path)
        arrays = flatten(kind.read(path, trust_pickle), str(path))
        arrays = _without_void(arrays, settings, path)
        stages = {stage: Chosen("", False, {}) for stage, file in files.items() if file == path}
        found.append(_Source(path, kind, arrays, stages))
    return found


def _file_of(folder: Path, stage: str, place: StageSource) -> Path:
    """The checkpoint of a stage in a folder: as the card says, else the one file that has the stage's name."""
    if place.file is not None:
        return folder / place.file
    found = sorted(path for path in folder.iterdir() if path.name == stage or path.stem == stage)
    if len(found) != 1:
        what = ", ".join(path.name for path in found) or f"no file called {stage}"
        raise ConfigError(f"{folder} has {what}. Say which is the stage's: checkpoint.stages.{stage}.file in the card.")
    return found[0]


def _without_void(arrays: Arrays, settings: CheckpointConfig, path: Path) -> Arrays:
    """2-byte void arrays as the card declares them."""
    void = [name for name, array in arrays.items() if array.dtype.kind == "V" and array.dtype.name.startswith("void")]
    if not void:
        return arrays
    if settings.void is None or any(arrays[name].dtype.itemsize != 2 for name in void):
        raise ConfigError(
            f"{path}: {void[0]} is of NumPy's void type, as it writes bfloat16. Declare checkpoint.void: bfloat16 in "
            "the card if that is what it is."
        )
    dtype = dtype_named(settings.void)
    return {name: array.view(dtype) if name in void else array for name, array in arrays.items()}


def _audited(
    spec: CascadeSpec, sources: list[_Source], settings: CheckpointConfig
) -> tuple[tuple[Audit, ...], dict[str, Arrays], dict[str, int]]:
    used: set[int] = set()
    audits: dict[str, Audit] = {}
    weights: dict[str, Arrays] = {}
    left_out: dict[str, int] = {}
    for each in sources:
        beside: Rest = rest(each.arrays, list(each.chosen.values()), each.chosen, settings.ignore)
        left_out |= {why: left_out.get(why, 0) + count for why, count in beside.left_out.items()}
        unexpected = beside.unexpected
        for stage, chosen in each.chosen.items():
            kept = _not_ignored(apply_key_map(chosen, settings.key_map, used), settings)
            ignored = len(chosen.arrays) - len(kept)
            if ignored:
                left_out["ignored by the card"] = left_out.get("ignored by the card", 0) + ignored
            shapes = parameters(spec.stage(stage).unet)
            audits[stage], weights[stage] = audit_stage(stage, shapes, kept, settings.dtype, unexpected)
            unexpected = ()
    idle = [rule.match for index, rule in enumerate(settings.key_map) if index not in used]
    if idle:
        raise ConfigError(f'key_map: "{idle[0]}" matches no tensor. Correct or remove the rule.')
    order = [stage.name for stage in spec.stages if stage.name in audits]
    return tuple(audits[stage] for stage in order), {stage: weights[stage] for stage in order}, left_out


def _not_ignored(found: dict[str, Renamed], settings: CheckpointConfig) -> dict[str, Renamed]:
    return {
        name: each
        for name, each in found.items()
        if not any(re.fullmatch(pattern, each.source) for pattern in settings.ignore)
    }


def _provenance(source: Path, sources: list[_Source], imported: Imported, trust_pickle: bool) -> dict[str, Any]:
    """What the new card says of its origin."""
    return {
        "source": source.name,
        "files": {each.path.name: {"format": each.format.name, "sha256": _digest(each.path)} for each in sources},
        "weights": imported.chosen,
        "audit": {
            audit.stage: f"{audit.count('matched')} matched" + (f", {audit.summary}" if audit.summary else "")
            for audit in imported.audits
        },
        **({"left out": imported.left_out} if imported.left_out else {}),
        **({"pickle": "trusted"} if trust_pickle and any(each.format.pickles for each in sources) else {}),
    }


def _digest(path: Path) -> str:
    """The sha256 of a file; of a folder, of its files' names and sha256s."""
    if path.is_file():
        return file_digest(path)
    files = sorted(file for file in path.rglob("*") if file.is_file())
    return digest({file.relative_to(path).as_posix(): file_digest(file) for file in files})


def _write(card: Path, imported: Imported, weights: dict[str, Arrays], origin: dict[str, Any]) -> None:
    out = imported.folder.resolve()
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{out.name}.", dir=out.parent) as temporary:
        made = Path(temporary) / out.name
        made.mkdir()
        shutil.copyfile(card.parent / _CASCADE, made / _CASCADE)
        for stage, arrays in weights.items():
            SafetensorsFormat().write(made / f"{stage}.safetensors", dict(arrays))
        data: dict[str, Any] = dict(read_yaml(card))
        files = sorted(path for path in made.iterdir())
        data["weights"] = {stage: f"{stage}.safetensors" for stage in weights}
        data["files"] = {path.name: {"sha256": file_digest(path), "bytes": path.stat().st_size} for path in files}
        data["imported"] = origin
        partial = {audit.stage: audit.summary for audit in imported.audits if audit.faults}
        if partial:
            data["partial"] = partial
        text = yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=120)
        (made / _CARD).write_text(text, encoding="utf-8")
        parse_card(read_yaml(made / _CARD), str(made / _CARD))
        os.rename(made, out)
