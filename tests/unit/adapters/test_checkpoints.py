"""Checkpoints into native cascades: EMA, key maps, layouts, the audit of every tensor, and the way back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
import yaml
from safetensors.numpy import save_file

from ivbench import registry
from ivbench.adapters.checkpoints import AuditError, Imported, export_cascade, import_cascade
from ivbench.adapters.formats.safetensors_file import arrays_from_bytes
from ivbench.adapters.formats.tree import nest
from ivbench.adapters.native import NativeCascade
from ivbench.errors import ConfigError, IvbenchError, MissingFileError, NonFiniteError
from ivbench.zoo import read_card, verify
from tests.unit.adapters.foreign import DTYPES, FOREIGN_RULES, bits, foreign, weights, write_card

pytest.importorskip("msgpack")


def write(path: Path, tree: dict[str, Any], name: str = "flax") -> Path:
    registry.load("checkpoint", name)().write(path, tree)
    return path


def imported(
    tmp_path: Path, tree: dict[str, Any], checkpoint: dict[str, Any] | None = None, stages: int = 1, **options: bool
) -> Imported:
    source = write(tmp_path / "x.msgpack", tree)
    return import_cascade(source, write_card(tmp_path / "card", checkpoint, stages), tmp_path / "mine", **options)


def stage_file(made: Imported, stage: str = "base") -> dict[str, Any]:
    path = made.folder / f"{stage}.safetensors"
    return arrays_from_bytes(path.read_bytes(), str(path))


def faults(error: AuditError) -> list[str]:
    return [str(fault) for audit in error.audits for fault in audit.faults]


# There and back


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["torch", "flax", "orbax", "npz"])
def test_export_and_import_are_bit_exact(name: str, dtype: str, tmp_path: Path) -> None:
    pytest.importorskip({"orbax": "orbax.checkpoint", "torch": "torch"}.get(name, "numpy"))
    given = {"base": weights(0, dtype), "tsr1": weights(1, dtype)}
    first = imported(tmp_path / "first", given, stages=2)
    path = export_cascade(read_card(first.folder), name, tmp_path / f"out.{name.replace('torch', 'pt')}")
    again = import_cascade(path, write_card(tmp_path / "card"), tmp_path / "again" / "mine")
    for stage, arrays in given.items():
        assert bits(stage_file(again, stage)) == bits(dict(sorted(arrays.items())))
        names = [folder / f"{stage}.safetensors" for folder in (first.folder, again.folder)]
        assert names[0].read_bytes() == names[1].read_bytes()


@pytest.mark.parametrize("dtype", DTYPES)
def test_what_was_imported_is_a_native_cascade(dtype: str, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    made = imported(tmp_path, {"base": weights(0, dtype), "tsr1": weights(1, dtype)}, stages=2)
    card = read_card(made.folder)
    assert set(verify(card)) == {"base.safetensors", "cascade.yaml", "tsr1.safetensors"}
    assert card.config.details["author"] == "a test"
    assert card.config.details["imported"]["audit"] == {"base": "84 matched", "tsr1": "85 matched"}
    assert card.partial == ""
    assert NativeCascade(card).stage_model("tsr1").stage.name == "tsr1"


def test_an_export_names_its_file_after_the_cascade_and_writes_over_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    card = read_card(imported(tmp_path, {"base": weights()}).folder)
    assert export_cascade(card, "npz") == Path("mine.npz")
    with pytest.raises(ConfigError, match=r"mine.npz exists"):
        export_cascade(card, "npz")


def test_what_has_no_weights_or_was_altered_is_not_exported(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match='"imagen-video" has no weights to export'):
        export_cascade(read_card("imagen-video"), "npz", tmp_path / "x.npz")
    made = imported(tmp_path, {"base": weights()})
    (made.folder / "base.safetensors").write_bytes(b"x")
    with pytest.raises(IvbenchError, match="its card says"):
        export_cascade(read_card(made.folder), "npz", tmp_path / "x.npz")
    assert not (tmp_path / "x.npz").exists()


# Which weights


EMA, RAW = weights(seed=1), weights(seed=2)


@pytest.mark.parametrize(
    ("tree", "said"),
    [
        ({"params": RAW, "ema_params": EMA, "step": np.int64(3)}, "ema_params (EMA)"),
        ({"model": RAW, "ema": EMA, "optimizer": {"0": {"mu": RAW["stem.bias"]}}}, "ema (EMA)"),
        ({"state": {"params": {"base": RAW}, "params_ema": {"base": EMA}}}, "state.params_ema.base (EMA)"),
        ({"base": {"ema": {"params": EMA}, "model": RAW}}, "base.ema.params (EMA)"),
        ({**RAW, "ema": EMA}, "ema (EMA)"),
        ({"module": nest(EMA)}, "module (raw)"),
        ({f"module.{name}": array for name, array in EMA.items()}, "module (raw)"),
        ({"base": EMA, "opt_state": [RAW]}, "base (raw)"),
        (EMA, "the top (raw)"),
    ],
)
def test_ema_weights_are_preferred_and_said(tree: dict[str, Any], said: str, tmp_path: Path) -> None:
    tree = {key: {"0": value[0]} if isinstance(value, list) else value for key, value in tree.items()}
    made = imported(tmp_path, tree)
    assert made.chosen == {"base": said}
    assert bits(stage_file(made)) == bits(dict(sorted(EMA.items())))


@pytest.mark.parametrize(
    ("checkpoint", "said", "expected"),
    [
        ({"use": "raw"}, "params (raw)", RAW),
        ({"use": "ema"}, "ema_params (EMA)", EMA),
        ({"stages": {"base": {"raw": "params"}}, "ignore": [r"ema_params\..*"]}, "params (raw)", RAW),
        ({"stages": {"base": {"raw": "params", "ema": "ema_params"}}}, "ema_params (EMA)", EMA),
        ({"stages": {"base": {"raw": "params", "ema": "ema_params"}}, "use": "raw"}, "params (raw)", RAW),
    ],
)
def test_the_card_can_choose(checkpoint: dict[str, Any], said: str, expected: Any, tmp_path: Path) -> None:
    made = imported(tmp_path, {"params": RAW, "ema_params": EMA}, checkpoint)
    assert made.chosen == {"base": said}
    assert bits(stage_file(made)) == bits(dict(sorted(expected.items())))


def test_what_is_left_out_is_counted(tmp_path: Path) -> None:
    tree = {"params": RAW, "ema_params": EMA, "opt_state": {"0": {"mu": RAW}}, "epoch": np.int64(3), "mean": np.ones(1)}
    made = imported(tmp_path, tree, {"ignore": ["mean"]})
    count = len(RAW)
    assert made.left_out == {
        "the other set of weights": count,
        "opt_state": count,
        "epoch": 1,
        "ignored by the card": 1,
    }


@pytest.mark.parametrize(
    ("tree", "checkpoint", "message"),
    [
        ({"params": RAW}, {"use": "ema"}, 'no EMA weights of stage "base" that are known as such'),
        ({"params": RAW}, {"stages": {"base": {"raw": "net"}}}, "nothing of stage \"base\" at 'net'. It has: params"),
        ({"params": RAW}, {"stages": {"bse": {}}}, 'checkpoint.stages.bse is no stage. Did you mean "base"'),
        ({"params": RAW}, {"key_map": [{"match": "x", "name": "y"}]}, '"x" matches no tensor'),
        ({"params": RAW}, {"key_map": [{"match": "stem.*", "name": "y"}]}, 'both become "y"'),
        (
            {"params": RAW},
            {"key_map": [{"match": r"(stem\.weight)", "name": r"\1", "layout": "i o -> o i"}]},
            r'layout "i o -> o i" does not fit params.stem.weight \[8, 3, 3, 3\]',
        ),
        ({"params": RAW}, {"key_map": [{"match": "(stem.bias)", "name": r"\2"}]}, "does not fit match"),
        ({"params": RAW}, {"key_map": [{"match": "(", "name": "y"}]}, "is not a regular expression"),
        ({"params": RAW}, {"keymap": []}, 'unknown key "checkpoint.keymap". Did you mean "key_map"'),
    ],
)
def test_a_card_that_does_not_fit_is_one_line(
    tree: dict[str, Any], checkpoint: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        imported(tmp_path, tree, checkpoint)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "mine").exists()


def test_a_stage_that_is_not_there_is_one_line_and_a_stage_too_many_is_unexpected(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r'no "tsr1" at its top; it has: base\. Say where it lies: checkpoint.stages'):
        imported(tmp_path, {"base": RAW}, stages=2)
    tree = {"base": RAW, "tsr1": {"stem.bias": np.ones(8, np.float32)}}
    with pytest.raises(AuditError, match=r"1 unexpected \(unexpected tsr1.stem.bias\)"):
        imported(tmp_path, tree)
    made = imported(tmp_path, {"base": RAW}, {"stages": {"base": {}}}, stages=2)
    assert list(read_card(made.folder).config.weights) == ["base"]


@pytest.mark.parametrize("declared", [False, True])
def test_a_folder_has_a_file_a_stage(declared: bool, tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    names = {"base": "unet-0", "tsr1": "unet-1"} if declared else {"base": "base", "tsr1": "tsr1"}
    for index, name in enumerate(names.values()):
        write(tmp_path / "x" / f"{name}.npz", dict(weights(index)), "npz")
    stages = {"stages": {stage: {"file": f"{name}.npz"} for stage, name in names.items()}}
    card = write_card(tmp_path / "card", stages if declared else None)
    made = import_cascade(tmp_path / "x", card, tmp_path / "mine")
    assert bits(stage_file(made, "tsr1")) == bits(dict(sorted(weights(1).items())))
    (tmp_path / "x" / f"{names['base']}.npz").unlink()
    with pytest.raises((ConfigError, MissingFileError), match=r"no file called base|unet-0.npz is not there"):
        import_cascade(tmp_path / "x", card, tmp_path / "again" / "mine")


# Foreign names and layouts


@pytest.mark.parametrize("dtype", DTYPES)
def test_declared_names_and_layouts_are_undone(dtype: str, tmp_path: Path) -> None:
    native = weights(dtype=dtype)
    other = foreign(native)
    assert not {name for name in other if name.endswith(".weight")}
    made = imported(tmp_path, {"params": nest(other)}, {"key_map": FOREIGN_RULES})
    assert bits(stage_file(made)) == bits(dict(sorted(native.items())))
    details = {entry.name: entry.detail for entry in made.audits[0].entries}
    assert details["stem.weight"] == "h w i o -> o i h w"


def test_layouts_are_never_guessed(tmp_path: Path) -> None:
    rules = [{key: value for key, value in rule.items() if key != "layout"} for rule in FOREIGN_RULES]
    with pytest.raises(AuditError) as caught:
        imported(tmp_path, {"params": nest(foreign(weights()))}, {"key_map": rules})
    said = [fault for fault in faults(caught.value) if " stem.weight" in fault]
    expected = "params.stem.conv_kernel is [3, 3, 3, 8], [8, 3, 3, 3] is needed; declare a layout"
    assert said == [f"reshaped stem.weight: {expected}"]


def test_without_rules_foreign_names_are_missing_and_unexpected(tmp_path: Path) -> None:
    with pytest.raises(AuditError) as caught:
        imported(tmp_path, {"params": nest(foreign(weights()))})
    audit = caught.value.audits[0]
    renamed = sum(name.endswith("weight") for name in weights())
    assert (audit.count("missing"), audit.count("unexpected")) == (renamed, renamed)
    assert audit.count("matched") == len(weights()) - renamed


# The audit


def _without(name: str) -> dict[str, Any]:
    return {key: value for key, value in weights().items() if key != name}


def _with(**changes: Any) -> dict[str, Any]:
    return weights() | {name.replace("__", "."): value for name, value in changes.items()}


STEM = weights()["stem.weight"]


@pytest.mark.parametrize(
    ("arrays", "fault"),
    [
        (_without("head.bias"), "missing head.bias: zero in a partial load"),
        (_with(extra=np.ones(1, np.float32)), "unexpected base.extra"),
        (
            _with(stem__weight=STEM.astype(np.float64)),
            "cast stem.weight: float64 would become float32; declare checkpoint.dtype",
        ),
        (
            _with(stem__bias=np.arange(8)),
            "cast stem.bias: int64 would become float32; declare checkpoint.dtype",
        ),
        (
            _with(stem__bias=np.ones(8, ml_dtypes.float8_e5m2)),
            "cast stem.bias: float8_e5m2 would become float32; declare checkpoint.dtype",
        ),
        (
            _with(stem__bias=np.ones((1, 8), np.float32)),
            "reshaped stem.bias: base.stem.bias is [1, 8], [8] is needed; declare a layout",
        ),
        (
            _with(stem__bias=np.ones((2, 4), np.float32)),
            "reshaped stem.bias: base.stem.bias is [2, 4], [8] is needed",
        ),
        (
            _with(stem__bias=np.ones(9, np.float32)),
            "reshaped stem.bias: base.stem.bias is [9], [8] is needed: left out, zero in a partial load",
        ),
        (
            _with(stem__bias=np.ones(8, np.complex64)),
            "missing stem.bias: base.stem.bias is complex64, which is no weight",
        ),
    ],
)
def test_what_does_not_fit_is_an_error_and_marks_a_partial_load(
    arrays: dict[str, Any], fault: str, tmp_path: Path
) -> None:
    with pytest.raises(AuditError) as caught:
        imported(tmp_path, {"base": arrays})
    assert faults(caught.value) == [fault]
    assert fault in str(caught.value)
    assert "--allow-partial" in str(caught.value)
    assert not (tmp_path / "mine").exists()
    made = imported(tmp_path, {"base": arrays}, allow_partial=True)
    status = fault.partition(" ")[0]
    assert read_card(made.folder).partial == f"base: 1 {status}"
    if status != "unexpected":
        name = fault.split(":")[0].split()[1]
        found, kept = stage_file(made)[name], weights()[name].shape
        assert (found.shape, found.dtype) == (kept, np.float32)
        expected = arrays.get(name, np.zeros(1))
        zero = "zero" in fault or "no weight" in fault
        assert (found == (0 if zero else expected.astype(np.float32).reshape(kept))).all()


def test_a_partial_cascade_is_not_exported(tmp_path: Path) -> None:
    made = imported(tmp_path, {"base": _without("head.bias")}, allow_partial=True)
    with pytest.raises(ConfigError, match=r'"mine" is a partial load \(base: 1 missing\)'):
        export_cascade(read_card(made.folder), "torch", tmp_path / "x.pt")


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_declared_dtype_is_no_fault(dtype: str, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    double = {name: array.astype(np.float64) for name, array in weights().items()}
    made = imported(tmp_path, {"base": double}, {"dtype": dtype})
    assert {array.dtype.name for array in stage_file(made).values()} == {dtype}
    assert made.audits[0].entries[0].detail == f"float64 -> {dtype} as declared"
    assert bits(stage_file(made)) == bits(dict(sorted((n, a.astype(DTYPES[dtype])) for n, a in weights().items())))


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e30])
def test_what_is_not_finite_is_refused_even_in_part(value: float, tmp_path: Path) -> None:
    arrays = _with(stem__bias=np.full(8, value, np.float32))
    with pytest.raises(NonFiniteError, match=r"NaN or infinity in its weight stem.bias"):
        imported(tmp_path, {"base": arrays}, {"dtype": "float16"}, allow_partial=True)


def test_void_arrays_of_numpy_are_bfloat16_only_if_declared(tmp_path: Path) -> None:
    arrays = weights(dtype="bfloat16")
    np.savez(tmp_path / "x.npz", **arrays)
    with pytest.raises(ConfigError, match=r"Declare checkpoint.void: bfloat16"):
        import_cascade(tmp_path / "x.npz", write_card(tmp_path / "card", stages=1), tmp_path / "mine")
    card = write_card(tmp_path / "card", {"void": "bfloat16"}, 1)
    made = import_cascade(tmp_path / "x.npz", card, tmp_path / "mine")
    assert bits(stage_file(made)) == bits(dict(sorted(arrays.items())))


# Folders and cards


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "probe"}, "is a probe's card, a cascade's is needed"),
        ({"weights": {"base": "a"}, "files": {"a": "0" * 64}}, "names weights or files already"),
    ],
)
def test_a_card_of_another_kind_is_one_line(change: dict[str, Any], message: str, tmp_path: Path) -> None:
    card = write_card(tmp_path / "card", stages=1)
    card.write_text(yaml.safe_dump(yaml.safe_load(card.read_text()) | change))
    with pytest.raises(ConfigError, match=message):
        import_cascade(write(tmp_path / "x.msgpack", {"base": RAW}), card, tmp_path / "mine")


def test_places_that_cannot_be_used_are_one_line(tmp_path: Path) -> None:
    source, card = write(tmp_path / "x.msgpack", {"base": RAW}), write_card(tmp_path / "card", stages=1)
    with pytest.raises(ConfigError, match=r'the card\'s name is "mine". Make the folder\'s name equal'):
        import_cascade(source, card, tmp_path / "yours")
    (tmp_path / "mine").mkdir()
    with pytest.raises(ConfigError, match=r"mine exists. Remove it"):
        import_cascade(source, card, tmp_path / "mine")
    with pytest.raises(MissingFileError, match="gone is not there"):
        import_cascade(tmp_path / "gone", card, tmp_path / "a" / "mine")
    (card.parent / "cascade.yaml").unlink()
    with pytest.raises(MissingFileError, match=r"cascade.yaml is not there. Describe the stages in it"):
        import_cascade(source, card, tmp_path / "a" / "mine")


def test_a_file_outside_the_checkpoints_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    save_file(RAW, tmp_path / "base.safetensors")
    card = write_card(tmp_path / "card", {"stages": {"base": {"file": "../base.safetensors"}}}, 1)
    with pytest.raises(ConfigError, match="is not a path inside the checkpoint's folder"):
        import_cascade(tmp_path / "x", card, tmp_path / "mine")


def test_nothing_is_left_of_an_import_that_fails_while_it_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.rename", full)
    with pytest.raises(OSError, match="No space left"):
        imported(tmp_path, {"base": RAW})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["card", "x.msgpack"]
