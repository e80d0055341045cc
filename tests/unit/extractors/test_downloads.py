"""Downloads of weights: from a server of the test, with the right and a wrong digest, offline, and hubs' caches."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from ivbench.config import ImageText, profile
from ivbench.errors import DigestError, MissingFileError
from ivbench.extractors.clip_weights import load_clip
from ivbench.extractors.weights import Manifest, WeightsFile, find_weights, manifest, weights_folder

pytest.importorskip("pooch")
CONTENT = b"weights"
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    (tmp_path / "served").mkdir()
    (tmp_path / "served" / "net.pth").write_bytes(CONTENT)
    handler = partial(_Quiet, directory=str(tmp_path / "served"))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as found:
        Thread(target=found.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{found.server_port}/net.pth"
        found.shutdown()


@pytest.fixture(autouse=True)
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HF_HUB_OFFLINE", "IVBENCH_OFFLINE", "TORCH_HOME", "TFHUB_CACHE_DIR", "DNNLIB_CACHE_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("IVBENCH_WEIGHTS", str(tmp_path / "mine"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path / "temporary"))


def published(uri: str, sha256: str | None, monkeypatch: pytest.MonkeyPatch, hub: str | None = None) -> None:
    file = WeightsFile(name="net.pth", uri=uri, sha256=sha256, format="any", hub=hub)
    entry = Manifest(description="a net", licence="MIT", files=(file,))
    monkeypatch.setattr("ivbench.extractors.weights.manifest", lambda: {"net": entry})


def test_what_is_missing_is_downloaded_once_and_verified(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    published(server, SHA256, monkeypatch)
    said: list[str] = []
    found = find_weights("net", fetch=said.append)
    assert (found.path, found.published) == (tmp_path / "mine" / "net.pth", True)
    assert said == [f"downloading {server}"]
    assert find_weights("net", fetch=said.append).digest == SHA256
    assert len(said) == 1


def test_a_file_of_another_digest_is_refused_and_not_kept(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    published(server, "0" * 64, monkeypatch)
    with pytest.raises(DigestError, match="is not what was published: its sha256 is not 0000"):
        find_weights("net", fetch=lambda _: None)
    assert not (tmp_path / "mine" / "net.pth").exists()


def test_a_file_whose_digest_nobody_knows_runs_unverified(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    published(server, None, monkeypatch)
    assert find_weights("net", fetch=lambda _: None).name == "net, unverified weights"


@pytest.mark.parametrize("variable", ["IVBENCH_OFFLINE", "HF_HUB_OFFLINE"])
def test_offline_is_one_line_with_address_digest_and_place(
    variable: str, server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    published(server, SHA256, monkeypatch)
    monkeypatch.setenv(variable, "1")
    with pytest.raises(MissingFileError, match=rf"\(offline\).*{server} \(sha256 {SHA256}\).*mine/net\.pth") as caught:
        find_weights("net", fetch=lambda _: None)
    assert "\n" not in str(caught.value)


def test_no_network_says_so_and_nothing_is_downloaded_where_only_a_look_was_asked_for(
    server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    published("http://127.0.0.1:9/net.pth", SHA256, monkeypatch)
    with pytest.raises(MissingFileError, match="ConnectionError: is there a network"):
        find_weights("net", fetch=lambda _: None)
    published(server, SHA256, monkeypatch)
    with pytest.raises(MissingFileError, match=r"on this machine\. Get"):
        find_weights("net")


@pytest.mark.parametrize(
    "place",
    [
        *("cache/torch/hub/checkpoints/net.pth", "temporary/net.pth", "cache/videogpt/net.pth"),
        *("cache/dnnlib/downloads/0123_net.pth", "hub/models--a--b/snapshots/c1/net.pth"),
    ],
)
def test_hubs_caches_are_looked_through_for_what_was_published(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    published("http://127.0.0.1:9/net.pth", SHA256, monkeypatch, hub="a/b")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    (tmp_path / "hub" / "models--a--b" / "refs").mkdir(parents=True)
    (tmp_path / "hub" / "models--a--b" / "refs" / "main").write_text("c1")
    file = tmp_path / place
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(b"planted")
    with pytest.raises(MissingFileError):
        find_weights("net")
    file.write_bytes(CONTENT)
    assert find_weights("net").path == file


def test_tf_hubs_folder_counts_where_the_user_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    published("https://tfhub.dev/a/b/1?tf-hub-format=compressed", None, monkeypatch)
    module = tmp_path / "modules" / hashlib.sha1(b"https://tfhub.dev/a/b/1").hexdigest()
    module.mkdir(parents=True)
    with pytest.raises(MissingFileError):
        find_weights("net")
    monkeypatch.setenv("TFHUB_CACHE_DIR", str(tmp_path / "modules"))
    assert find_weights("net").path == module


def construction(monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    """What the extractor of CLIP is asked for; nothing is loaded."""
    asked: dict[str, object] = {}
    target = "ivbench.extractors.torch_clip.ClipExtractor"
    monkeypatch.setattr(target, lambda path, **rest: asked.update(rest, path=path))
    return asked


def test_openais_file_is_known_by_the_digest_in_its_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IVBENCH_OFFLINE", "1")
    address = f"https://openaipublic.azureedge.net/clip/models/{SHA256}/ViT-B-32.pt"
    monkeypatch.setattr(
        "open_clip.get_pretrained_cfg", lambda *_: {"quick_gelu": True, "url": address, "hf_hub": "a/b"}
    )
    choice = profile("hessel-clipscore").image_text
    assert choice is not None
    file = tmp_path / "cache" / "clip" / "ViT-B-32.pt"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"planted")
    with pytest.raises(MissingFileError, match="ViT-B-32-quickgelu openai are not on this machine") as caught:
        load_clip(choice, None, fetch=pytest.fail)
    said = str(caught.value)
    assert f"(offline). Get {address} (sha256 {SHA256}) and put it at {weights_folder() / 'ViT-B-32.pt'}, or" in said
    assert "\n" not in said
    file.write_bytes(CONTENT)
    asked = construction(monkeypatch)
    load_clip(choice, None)
    assert (asked["path"], asked["name"], asked["model"]) == (file, "ViT-B-32-quickgelu openai", "ViT-B-32-quickgelu")
    other = tmp_path / "other.pt"
    other.write_bytes(b"others")
    load_clip(choice, other)
    assert asked["name"] == "CLIP of other.pt, unverified weights"


def test_a_tags_folder_is_downloaded_from_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def snapshot_download(repository: str, *, local_files_only: bool = False, allow_patterns: list[str]) -> str:
        if local_files_only:
            raise OSError
        folder = tmp_path / repository
        folder.mkdir(parents=True)
        for name in allow_patterns:
            (folder / name).write_text('{"model_cfg": {}}')
        return str(folder)

    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot_download)
    asked = construction(monkeypatch)
    said: list[str] = []
    load_clip(ImageText(model="ViT-B-32-quickgelu", pretrained="openai"), None, fetch=said.append)
    assert asked["path"] == tmp_path / "timm" / "vit_base_patch32_clip_224.openai"
    assert said == ["downloading timm/vit_base_patch32_clip_224.openai from the hub"]


def test_every_known_digest_stands_in_the_manifest() -> None:
    digests = {file.name: file.sha256 for entry in manifest().values() for file in entry.files}
    assert all(re.fullmatch("[0-9a-f]{64}", sha256) for sha256 in digests.values() if sha256)
    for name in ("pt_inception-2015-12-05-6726825d.pth", "weights-inception-2015-12-05-6726825d.pth"):
        assert (digests[name] or "").startswith("6726825d")  # the digest's beginning is part of the name
