"""Checkpoint formats: bit for bit there and back, as the projects that own the formats write and read them."""

from __future__ import annotations

import subprocess
import sys
from collections import OrderedDict
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivbench import registry
from ivbench.adapters.formats import CheckpointFormat, format_of
from ivbench.adapters.formats.flax_msgpack import pack, unpack
from ivbench.adapters.formats.tree import arrays_of, flatten, nest
from ivbench.errors import ConfigError, MissingFileError
from tests.unit.adapters.foreign import DTYPES, bits, weights

FORMATS = ("flax", "npz", "orbax", "safetensors", "torch")
LIBRARY = {"orbax": "orbax.checkpoint", "torch": "torch", "flax": "msgpack"}


def load(name: str) -> CheckpointFormat:
    pytest.importorskip(LIBRARY.get(name, "numpy"))
    found: CheckpointFormat = registry.load("checkpoint", name)()
    return found


def place(folder: Path, kind: CheckpointFormat) -> Path:
    return folder / f"checkpoint{kind.suffixes[0] if kind.suffixes else ''}"


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", FORMATS)
def test_a_tree_comes_back_bit_for_bit(name: str, dtype: str, tmp_path: Path) -> None:
    kind, arrays = load(name), weights(dtype=dtype)
    arrays["odd.values"] = np.array([np.nan, np.inf, -np.inf, -0.0, 1e-7], DTYPES[dtype])
    arrays["odd.scalar"] = np.array(1.5, DTYPES[dtype])
    path = place(tmp_path, kind)
    kind.write(path, nest(arrays))
    found = flatten(format_of(path).read(path))
    assert bits(found) == bits(arrays)


@pytest.mark.parametrize("name", FORMATS)
def test_a_file_without_its_suffix_is_known_by_its_content(name: str, tmp_path: Path) -> None:
    kind = load(name)
    path = place(tmp_path, kind)
    kind.write(path, {"base": {"weight": np.ones(3, np.float32)}})
    path = path.rename(tmp_path / "checkpoint_1000")
    assert format_of(path).name == name


@pytest.mark.parametrize("name", [name for name in FORMATS if name != "orbax"])
@pytest.mark.parametrize("data", [b"", b"PK\x03\x04", b"\x80\x02}q\x00.", b"\x81\xa4base", b"{" * 40])
def test_a_file_of_another_content_is_one_line(name: str, data: bytes, tmp_path: Path) -> None:
    kind = load(name)
    path = place(tmp_path, kind)
    path.write_bytes(data)
    with pytest.raises(ConfigError, match=r"checkpoint\."):
        kind.read(path)


@pytest.mark.parametrize("name", [name for name in FORMATS if name != "orbax"])
def test_a_torn_checkpoint_is_one_line(name: str, tmp_path: Path) -> None:
    kind = load(name)
    path = place(tmp_path, kind)
    kind.write(path, nest(weights()))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(ConfigError, match="checkpoint"):
        kind.read(path)


def test_a_torn_orbax_folder_is_refused(tmp_path: Path) -> None:
    """In a process of its own: orbax leaves reads behind that fail after the first one did, in its own threads."""
    path = tmp_path / "checkpoint"
    load("orbax").write(path, nest(weights()))
    for file in path.rglob("d/*"):  # all of them: orbax keeps copies that nothing reads
        file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    code = f"""
from pathlib import Path
from ivbench.adapters.formats import format_of
from ivbench.errors import ConfigError
try:
    format_of(Path({str(path)!r})).read(Path({str(path)!r}))
except ConfigError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert "checkpoint is not a sound orbax checkpoint: " in done.stdout, done.stderr


def test_what_is_no_checkpoint_names_the_formats(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("hello")
    for path in (tmp_path / "notes.txt", tmp_path):
        with pytest.raises(ConfigError, match=r"Allowed: .msgpack, .npz, .safetensors, .pt, .pth"):
            format_of(path)
    with pytest.raises(MissingFileError, match="gone is not there"):
        format_of(tmp_path / "gone")


# Trees


KEYS = st.text("abc_0", min_size=1, max_size=3)


@given(st.sets(st.lists(KEYS, min_size=1, max_size=4).map(".".join), max_size=12))
def test_flatten_undoes_nest(names: set[str]) -> None:
    arrays = {name: np.array(index) for index, name in enumerate(sorted(names))}
    try:
        tree = nest(arrays)
    except ConfigError:
        assert any(other.startswith(f"{name}.") for name in names for other in names)
        return
    found = flatten(tree)
    assert {name: int(array) for name, array in found.items()} == {name: int(array) for name, array in arrays.items()}


def test_two_tensors_of_one_name_are_refused() -> None:
    one = np.ones(1)
    with pytest.raises(ConfigError, match=r'two tensors called "a.b"'):
        flatten({"a": {"b": one}, "a.b": one})
    with pytest.raises(ConfigError, match='two keys that read "1"'):
        arrays_of({1: one, "1": one}, "x", lambda value, _: value)
    circle: dict[str, Any] = {}
    circle["again"] = circle
    with pytest.raises(ConfigError, match="nested over 64 levels"):
        arrays_of(circle, "x", lambda value, _: value)


def test_lists_and_tuples_become_dicts_by_index() -> None:
    tree = arrays_of({"l": [np.ones(1), (np.ones(2), None)]}, "x", lambda value, _: value)
    assert list(flatten(tree)) == ["l.0", "l.1.0"]


# Torch


def test_torch_files_old_and_new_with_views_and_modules_dict(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    base = torch.arange(12.0).reshape(3, 4)
    state = OrderedDict(turned=base.T, part=base[:, 1], parameter=torch.nn.Parameter(torch.ones(2)), step=3)
    for zipped in (True, False):
        torch.save({"model": state}, tmp_path / "x.pth", _use_new_zipfile_serialization=zipped)
        found = flatten(load("torch").read(tmp_path / "x.pth"))
        assert found["model.turned"].tolist() == base.T.tolist()
        assert found["model.part"].tolist() == [1.0, 5.0, 9.0]
        assert list(found) == ["model.turned", "model.part", "model.parameter"]


def test_a_sparse_tensor_is_refused(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    torch.save({"a": torch.eye(3).to_sparse()}, tmp_path / "x.pt")
    with pytest.raises(ConfigError, match=r"x.pt: a is not a plain dense tensor"):
        load("torch").read(tmp_path / "x.pt")


def test_a_torch_that_can_be_made_to_run_code_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch = pytest.importorskip("torch")
    torch.save({"a": torch.ones(1)}, tmp_path / "x.pt")
    monkeypatch.setattr(torch, "__version__", "2.5.1+cpu")
    with pytest.raises(ConfigError, match=r'pip install "torch>=2.6"'):
        load("torch").read(tmp_path / "x.pt")


def test_what_we_write_torch_reads_with_weights_only(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    arrays = weights(dtype="bfloat16")
    load("torch").write(tmp_path / "x.pt", {"base": dict(arrays)})
    found = torch.load(tmp_path / "x.pt", weights_only=True)["base"]
    assert {name: tensor.dtype for name, tensor in found.items()} == dict.fromkeys(arrays, torch.bfloat16)
    name = "stem.weight"
    assert (found[name].float().numpy() == arrays[name].astype(np.float32)).all()


# Flax


STATE: dict[str, Any] = {
    "step": np.int32(7),
    "params": {"Conv_0": {"kernel": np.arange(24, dtype=np.float32).reshape(2, 3, 4)}},
    "ema_params": {"Conv_0": {"kernel": np.ones((2, 3), ml_dtypes.bfloat16)}},
    "z": 1 + 2j,
    "name": "x",
    "none": None,
    "list": {"0": np.zeros(2, np.float16)},
}


def test_flax_reads_what_we_write_and_we_read_what_flax_writes(monkeypatch: pytest.MonkeyPatch) -> None:
    serialization = pytest.importorskip("flax.serialization")
    arrays = nest(weights(dtype="bfloat16"))
    assert pack(arrays) == serialization.msgpack_serialize(arrays)
    found = unpack(serialization.msgpack_serialize(STATE), "x")
    expected = flatten(arrays_of(serialization.msgpack_restore(serialization.msgpack_serialize(STATE)), "x", _array))
    assert bits(flatten(found)) == bits(expected)
    assert (found["z"], found["name"], found["none"]) == (1 + 2j, "x", None)


def _array(value: Any, _where: str) -> Any:
    return np.asarray(value) if isinstance(value, np.generic) else value


def test_chunked_arrays_are_flaxs_own(monkeypatch: pytest.MonkeyPatch) -> None:
    serialization = pytest.importorskip("flax.serialization")
    monkeypatch.setattr(serialization, "MAX_CHUNK_SIZE", 100)
    arrays = nest(weights(dtype="float16"))
    written = serialization.msgpack_serialize(arrays)
    assert b"__msgpack_chunked_array__" in written
    assert pack(arrays, max_chunk=100) == written
    assert bits(flatten(unpack(written, "x"))) == bits(flatten(arrays))


def test_a_trained_flax_module_is_read(tmp_path: Path) -> None:
    nn, serialization = pytest.importorskip("flax.linen"), pytest.importorskip("flax.serialization")
    import jax

    variables = nn.Dense(3).init(jax.random.key(0), np.ones((1, 2), np.float32))
    (tmp_path / "x.msgpack").write_bytes(serialization.to_bytes(variables))
    found = flatten(load("flax").read(tmp_path / "x.msgpack"))
    assert {name: array.shape for name, array in found.items()} == {"params.bias": (3,), "params.kernel": (2, 3)}


def test_flax_msgpack_needs_no_flax_and_no_jax(tmp_path: Path) -> None:
    pytest.importorskip("msgpack")
    path = tmp_path / "x.msgpack"
    path.write_bytes(pack(nest(weights(dtype="bfloat16")), max_chunk=64))
    code = f"""
import sys
for name in ("flax", "jax", "orbax", "torch"):
    sys.modules[name] = None
from pathlib import Path
from ivbench.adapters.formats import format_of
from ivbench.adapters.formats.tree import flatten
path = Path({str(path)!r})
print(flatten(format_of(path).read(path))["stem.weight"].dtype)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.strip() == "bfloat16", done.stderr


@pytest.mark.parametrize(
    "chunked", [{"shape": {"0": 2}}, {"shape": {"0": 3}, "chunks": {"1": 1}}, {"shape": 1, "chunks": {}}]
)
def test_a_chunked_array_without_its_chunks_is_one_line(chunked: dict[str, Any]) -> None:
    msgpack = pytest.importorskip("msgpack")
    with pytest.raises(ConfigError, match="is not flax's msgpack"):
        unpack(msgpack.packb({"a": {"__msgpack_chunked_array__": True, **chunked}}), "x")


# Orbax


def test_orbax_folders_of_every_kind_are_read(tmp_path: Path) -> None:
    ocp = pytest.importorskip("orbax.checkpoint")
    import jax.numpy as jnp

    tree = {"params": {"w": jnp.arange(6, dtype=jnp.bfloat16).reshape(2, 3)}, "step": 3, "name": "x"}
    ocp.PyTreeCheckpointer().save(tmp_path / "tree", tree)
    with ocp.StandardCheckpointer() as checkpointer:
        checkpointer.save(tmp_path / "standard", {"params": tree["params"]})
    old = ocp.Checkpointer(ocp.PyTreeCheckpointHandler(use_ocdbt=False))
    old.save(tmp_path / "zarr", {"params": tree["params"]})
    for name in ("tree", "standard", "zarr"):
        found = flatten(load("orbax").read(tmp_path / name))
        assert found["params.w"].dtype.name == "bfloat16"
        assert found["params.w"].tolist() == [[0, 1, 2], [3, 4, 5]]


def test_orbax_managers_steps_and_items_are_read(tmp_path: Path) -> None:
    ocp = pytest.importorskip("orbax.checkpoint")
    tree = {"w": np.arange(3, dtype=np.float32)}
    with ocp.CheckpointManager(tmp_path / "run", item_names=("params", "notes")) as manager:
        for step in (5, 10):
            items = ocp.args.Composite(params=ocp.args.StandardSave(tree), notes=ocp.args.JsonSave({"a": 1}))
            manager.save(step, args=items)
        manager.wait_until_finished()
    with pytest.raises(ConfigError, match=r"several steps: 5, 10. Name one of them: .*run/10"):
        format_of(tmp_path / "run").read(tmp_path / "run")
    found = format_of(tmp_path / "run" / "10").read(tmp_path / "run" / "10")
    assert flatten(found)["params.w"].tolist() == [0, 1, 2]


def test_orbax_reads_what_we_write(tmp_path: Path) -> None:
    ocp = pytest.importorskip("orbax.checkpoint")
    arrays = weights(dtype="float16")
    load("orbax").write(tmp_path / "x", nest(arrays))
    assert bits(flatten(ocp.PyTreeCheckpointer().restore(tmp_path / "x"))) == bits(arrays)
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


# NumPy


def test_npz_slashes_nest_and_numpys_own_void_needs_a_declaration(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", **{"params/Conv_0/kernel": np.ones(2), "b": np.ones(3, ml_dtypes.bfloat16)})
    found = flatten(load("npz").read(tmp_path / "x.npz"))
    assert list(found) == ["params.Conv_0.kernel", "b"]
    assert found["b"].dtype == np.dtype("V2")


def test_npz_of_ours_is_numpys_to_others(tmp_path: Path) -> None:
    arrays = weights(dtype="bfloat16")
    load("npz").write(tmp_path / "x.npz", dict(arrays))
    with np.load(tmp_path / "x.npz", allow_pickle=False) as archive:
        assert (archive["stem.weight"].view(ml_dtypes.bfloat16) == arrays["stem.weight"]).all()
