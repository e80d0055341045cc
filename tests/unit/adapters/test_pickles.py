"""Pickles that would run code, alive, in every format and place: none of them runs unless the user trusts it."""

from __future__ import annotations

import json
import os
import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ivbench.adapters.checkpoints import import_cascade
from ivbench.adapters.formats.flax_msgpack import pack
from ivbench.errors import ConfigError, IvbenchError
from tests.unit.adapters.foreign import weights, write_card

torch = pytest.importorskip("torch")
msgpack = pytest.importorskip("msgpack")


class Payload:
    """Makes a folder when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.mark),)


def _torch_zip(folder: Path, evil: Any) -> Path:
    torch.save({"base": {"stem.weight": evil}}, folder / "x.pt")
    return folder / "x.pt"


def _torch_old(folder: Path, evil: Any) -> Path:
    torch.save({"base": {"stem.weight": evil}}, folder / "x.pth", _use_new_zipfile_serialization=False)
    return folder / "x.pth"


def _torch_beside_weights(folder: Path, evil: Any) -> Path:
    state = OrderedDict({name: torch.from_numpy(array) for name, array in weights().items()})
    state._metadata = evil  # type: ignore[attr-defined]
    torch.save({"state_dict": state, "hyper_parameters": {"model": evil}}, folder / "x.ckpt")
    return folder / "x.ckpt"


def _torch_key(folder: Path, evil: Any) -> Path:
    torch.save([(evil, torch.ones(1))], folder / "x.bin")
    return folder / "x.bin"


def _raw(name: str) -> Callable[[Path, Any], Path]:
    """A bare pickle under another format's name."""

    def make(folder: Path, evil: Any) -> Path:
        (folder / name).write_bytes(pickle.dumps({"base": evil}))
        return folder / name

    return make


def _msgpack(tree: Callable[[bytes], Any]) -> Callable[[Path, Any], Path]:
    def make(folder: Path, evil: Any) -> Path:
        (folder / "x.msgpack").write_bytes(msgpack.packb(tree(pickle.dumps(evil))))
        return folder / "x.msgpack"

    return make


def _of_dtype(dtype: str, data: bytes) -> Any:
    return msgpack.ExtType(1, msgpack.packb(((1,), dtype, data)))


def _npz(arrays: Callable[[Any], Any]) -> Callable[[Path, Any], Path]:
    def make(folder: Path, evil: Any) -> Path:
        np.savez(folder / "x.npz", **{"base.stem.bias": np.ones(8), "base.stem.weight": arrays(evil)})
        return folder / "x.npz"

    return make


def _boxed(evil: Any) -> Any:
    box = np.empty((), object)
    box[()] = {"stem": evil}
    return box


def _record(evil: Any) -> Any:
    return np.array([(1.0, evil)], dtype=[("a", "f4"), ("b", "O")])


def _npz_member(folder: Path, evil: Any) -> Path:
    with zipfile.ZipFile(folder / "x.npz", "w") as archive:
        archive.writestr("base.stem.weight.npy", pickle.dumps(evil))
    return folder / "x.npz"


def _orbax(spoil: Callable[[Path, bytes], None]) -> Callable[[Path, Any], Path]:
    def make(folder: Path, evil: Any) -> Path:
        ocp = pytest.importorskip("orbax.checkpoint")
        tree = {"base": {"weight": np.ones(4, np.float32)}}
        ocp.Checkpointer(ocp.PyTreeCheckpointHandler(use_ocdbt=False)).save(folder / "x", tree)
        spoil(folder / "x", pickle.dumps(evil))
        return folder / "x"

    return make


def _orbax_old(folder: Path, data: bytes) -> None:
    """The single msgpack file of orbax's oldest versions, with a pickle as an extension."""
    (folder / "_METADATA").unlink()
    (folder / "checkpoint").write_bytes(msgpack.packb({"base": msgpack.ExtType(42, data)}))


def _orbax_old_array(folder: Path, data: bytes) -> None:
    (folder / "_METADATA").unlink()
    (folder / "checkpoint").write_bytes(msgpack.packb({"base": _of_dtype("object", data)}))


def _orbax_chunk(folder: Path, data: bytes) -> None:
    """An array of objects as zarr keeps it: pickled chunks."""
    about = json.loads((folder / "base.weight" / ".zarray").read_text())
    about |= {"dtype": "|O", "filters": [{"id": "pickle", "protocol": 4}], "compressor": None, "chunks": [1]}
    (folder / "base.weight" / ".zarray").write_text(json.dumps({**about, "shape": [1]}))
    (folder / "base.weight" / "0").write_bytes(data)


CASES: dict[str, Callable[[Path, Any], Path]] = {
    "torch zip": _torch_zip,
    "torch single pickle": _torch_old,
    "torch beside weights": _torch_beside_weights,
    "torch in a key": _torch_key,
    "pickle as .pt": _raw("x.pt"),
    "pickle as .pth": _raw("x.pth"),
    "pickle as .bin": _raw("x.bin"),
    "pickle as .safetensors": _raw("x.safetensors"),
    "pickle as .npz": _raw("x.npz"),
    "pickle as .msgpack": _raw("x.msgpack"),
    "pickle without suffix": _raw("checkpoint_7"),
    "msgpack extension": _msgpack(lambda data: {"base": msgpack.ExtType(42, data)}),
    "msgpack extension of flax with objects": _msgpack(lambda data: {"base": _of_dtype("object", data)}),
    "msgpack scalar of flax with objects": _msgpack(
        lambda data: {"base": msgpack.ExtType(3, msgpack.packb(((), "O", data)))}
    ),
    "msgpack extension at the top": _msgpack(lambda data: msgpack.ExtType(0, data)),
    "msgpack extension in a chunk": _msgpack(
        lambda data: {
            "base": {
                "__msgpack_chunked_array__": True,
                "shape": {"0": 1},
                "chunks": {"0": msgpack.ExtType(99, data)},
            }
        }
    ),
    "npz array of objects": _npz(lambda evil: np.array([evil, 1], dtype=object)),
    "npz dict in an array": _npz(_boxed),
    "npz record with an object": _npz(_record),
    "npz member": _npz_member,
    "orbax metadata": _orbax(lambda folder, data: (folder / "_METADATA").write_bytes(data) and None),
    "orbax step metadata": _orbax(lambda folder, data: (folder / "_CHECKPOINT_METADATA").write_bytes(data) and None),
    "orbax chunk": _orbax(_orbax_chunk),
    "orbax old extension": _orbax(_orbax_old),
    "orbax old array": _orbax(_orbax_old_array),
    "orbax folder of pickles": _orbax(
        lambda folder, data: (folder / "base.weight" / ".zarray").write_bytes(data) and None
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_live_payload_does_not_run(case: str, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    source = CASES[case](tmp_path, Payload(mark))
    card = write_card(tmp_path / "card", stages=1)
    with pytest.raises(IvbenchError):
        import_cascade(source, card, tmp_path / "out" / "mine")
    assert not mark.exists()
    assert not (tmp_path / "out" / "mine").exists()


WITHOUT_PICKLES = [
    case for case in CASES if case.endswith((".safetensors", ".msgpack")) or case.startswith(("msgpack", "orbax"))
]


@pytest.mark.parametrize("case", WITHOUT_PICKLES)
def test_formats_without_pickles_run_none_even_when_trusted(case: str, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    source = CASES[case](tmp_path, Payload(mark))
    with pytest.raises(IvbenchError):
        import_cascade(source, write_card(tmp_path / "card", stages=1), tmp_path / "mine", trust_pickle=True)
    assert not mark.exists()


def test_the_payload_is_alive(tmp_path: Path) -> None:
    pickle.loads(pickle.dumps(Payload(tmp_path / "mark")))
    assert (tmp_path / "mark").exists()


@pytest.mark.parametrize(
    ("case", "said"),
    [
        ("torch zip", r"x.pt holds a pickle that asks for posix.mkdir: reading it could run code, so it was refused"),
        ("torch single pickle", r"x.pth holds a pickle that asks for posix.mkdir: reading it could run code"),
        ("npz array of objects", r"x.npz: base.stem.weight is an array of objects, which is a pickle"),
    ],
)
def test_the_refusal_says_what_trust_would_do(case: str, said: str, tmp_path: Path) -> None:
    source = CASES[case](tmp_path, Payload(tmp_path / "mark"))
    with pytest.raises(ConfigError, match=rf"{said}.* --trust-pickle runs whatever code it holds, with your rights"):
        import_cascade(source, write_card(tmp_path / "card", stages=1), tmp_path / "mine")


@pytest.mark.parametrize("case", ["torch zip", "torch single pickle", "torch beside weights", "npz array of objects"])
def test_trust_runs_the_payload(case: str, tmp_path: Path) -> None:
    """So that the tests above do not pass for another reason, and the option does what it says."""
    mark = tmp_path / "mark"
    source = CASES[case](tmp_path, Payload(mark))
    with pytest.raises(IvbenchError):
        import_cascade(source, write_card(tmp_path / "card", stages=1), tmp_path / "out" / "x", trust_pickle=True)
    assert not mark.exists()  # the folder's name is wrong, which is found before anything is read
    made = import_cascade(
        source, write_card(tmp_path / "card", stages=1), tmp_path / "mine", allow_partial=True, trust_pickle=True
    )
    assert mark.exists()
    assert "pickle: trusted" in (made.folder / "card.yaml").read_text()


def test_trusted_objects_are_opened(tmp_path: Path) -> None:
    arrays = weights()
    box = np.empty((), object)
    box[()] = {"base": arrays}
    np.savez(tmp_path / "x.npz", params=box)
    made = import_cascade(tmp_path / "x.npz", write_card(tmp_path / "card", stages=1), tmp_path / "mine", False, True)
    assert made.chosen == {"base": "params.base (raw)"}


def test_a_whole_module_needs_trust_and_gives_its_state_dict(tmp_path: Path) -> None:
    from ivbench.nets.torch_video_unet import TorchVideoUNet
    from tests.unit.adapters.foreign import STAGES

    net = TorchVideoUNet(STAGES[0].unet)
    torch.save(net, tmp_path / "x.pt")
    card = write_card(tmp_path / "card", stages=1)
    with pytest.raises(ConfigError, match=r"asks for ivbench.nets.torch_video_unet.TorchVideoUNet"):
        import_cascade(tmp_path / "x.pt", card, tmp_path / "mine")
    torch.save(net.stem, tmp_path / "y.pt")
    with pytest.raises(ConfigError, match=r"the checkpoint does not fit the cascade"):
        import_cascade(tmp_path / "y.pt", card, tmp_path / "mine", trust_pickle=True)
    made = import_cascade(tmp_path / "x.pt", card, tmp_path / "mine", trust_pickle=True)
    assert not made.audits[0].faults


@pytest.mark.filterwarnings("ignore:.*torch.jit")  # how the test makes its file
def test_a_torchscript_archive_is_refused(tmp_path: Path) -> None:
    torch.jit.save(torch.jit.trace(torch.nn.Linear(2, 2), torch.ones(1, 2)), tmp_path / "x.pt")
    with pytest.raises(ConfigError, match=r"x.pt is a TorchScript archive, which is code"):
        import_cascade(tmp_path / "x.pt", write_card(tmp_path / "card", stages=1), tmp_path / "mine")


def test_a_card_cannot_run_code(tmp_path: Path) -> None:
    card = write_card(tmp_path / "card", stages=1)
    mark = tmp_path / "mark"
    card.write_text(f"name: mine\nkind: cascade\nlicence: !!python/object/apply:pathlib.Path.touch ['{mark}']\n")
    (tmp_path / "x.msgpack").write_bytes(pack({"base": dict(weights())}))
    with pytest.raises(ConfigError):
        import_cascade(tmp_path / "x.msgpack", card, tmp_path / "mine")
    assert not mark.exists()
