"""The zoo: where it is, what its cards say, and that files are what cards say."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
import yaml

import ivbench
from ivbench.errors import ConfigError, DigestError, MissingFileError
from ivbench.spec import DistilledSpec
from ivbench.zoo import file_path, find_zoo, list_cards, read_card, verify


@pytest.fixture(autouse=True)
def _no_override(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("IVBENCH_ZOO", raising=False)


def make_card(zoo: Path, place: str, **keys: object) -> Path:
    folder = zoo / place
    folder.mkdir(parents=True)
    (folder / "data.bin").write_bytes(b"123")
    entry = {"sha256": hashlib.sha256(b"123").hexdigest(), "bytes": 3}
    card = {"name": folder.name, "kind": "probe", "licence": "Apache-2.0", "files": {"data.bin": entry}, **keys}
    (folder / "card.yaml").write_text(yaml.safe_dump(card))
    return folder


def layout(root: Path, *, checkout: bool, data: bool) -> Path:
    """A package folder as a checkout or an editable install has it, as a wheel has it, or both."""
    package = root / "ivbench"
    package.mkdir(parents=True)
    if checkout:
        (root / "pyproject.toml").write_text('[project]\nname = "ivbench"\n')
        (root / "zoo").mkdir()
    if data:
        (package / "_data" / "zoo").mkdir(parents=True)
    return package


def test_a_checkout_or_editable_install_has_its_own_zoo(tmp_path: Path) -> None:
    assert find_zoo(layout(tmp_path, checkout=True, data=False)) == tmp_path / "zoo"


def test_a_wheel_has_the_zoo_inside_the_package(tmp_path: Path) -> None:
    assert find_zoo(layout(tmp_path, checkout=False, data=True)) == tmp_path / "ivbench" / "_data" / "zoo"


def test_an_installed_copy_never_shadows_the_checkouts(tmp_path: Path) -> None:
    assert find_zoo(layout(tmp_path, checkout=True, data=True)) == tmp_path / "zoo"


def test_another_project_around_an_installed_package_is_no_checkout(tmp_path: Path) -> None:
    package = layout(tmp_path, checkout=False, data=True)
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "theirs"\n')
    assert find_zoo(package) == package / "_data" / "zoo"


def test_a_zoo_beside_an_installed_package_is_not_ours(tmp_path: Path) -> None:
    package = layout(tmp_path, checkout=False, data=True)
    (tmp_path / "zoo").mkdir()
    assert find_zoo(package) == package / "_data" / "zoo"


def test_the_code_that_runs_finds_the_zoo_that_it_came_with() -> None:
    home = Path(ivbench.__file__).resolve().parent
    assert find_zoo() in (home.parent / "zoo", home / "_data" / "zoo")


def test_the_variable_overrides_and_a_wrong_one_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IVBENCH_ZOO", str(tmp_path))
    assert find_zoo() == tmp_path
    monkeypatch.setenv("IVBENCH_ZOO", str(tmp_path / "none"))
    with pytest.raises(MissingFileError, match="IVBENCH_ZOO"):
        find_zoo()


def test_no_zoo_at_all_is_said(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match="Reinstall"):
        find_zoo(layout(tmp_path, checkout=False, data=False))


def test_cards_are_found_at_any_depth_and_read_by_name_or_path(tmp_path: Path) -> None:
    folder = make_card(tmp_path, "probes/one")
    make_card(tmp_path, "two", kind="recipe")
    assert [card.name for card in list_cards(tmp_path)] == ["one", "two"]
    by_name, by_folder, by_file = (
        read_card("one", tmp_path),
        read_card(folder),
        read_card(folder / "card.yaml"),
    )
    assert by_name == by_folder == by_file
    assert verify(by_name) == ("data.bin",)


def test_an_unknown_card_is_said_with_the_nearest(tmp_path: Path) -> None:
    make_card(tmp_path, "shapes-lite")
    with pytest.raises(ConfigError, match='Did you mean "shapes-lite"'):
        read_card("shapes-light", tmp_path)
    with pytest.raises(MissingFileError, match=r"card\.yaml is not there"):
        read_card(tmp_path / "none")


def test_a_card_must_bear_its_folders_name_and_no_others(tmp_path: Path) -> None:
    make_card(tmp_path, "a", name="b")
    with pytest.raises(ConfigError, match=r'name is "b", its folder is "a"'):
        list_cards(tmp_path)


def test_two_cards_of_one_name_are_said(tmp_path: Path) -> None:
    make_card(tmp_path, "x/a")
    make_card(tmp_path, "y/a")
    with pytest.raises(ConfigError, match='two cards are called "a"'):
        list_cards(tmp_path)


@pytest.mark.parametrize("content", [b"124", b"1234", b""])
def test_a_file_with_other_content_is_a_digest_error(tmp_path: Path, content: bytes) -> None:
    folder = make_card(tmp_path, "a")
    (folder / "data.bin").write_bytes(content)
    with pytest.raises(DigestError, match=r"data\.bin has"):
        verify(read_card(folder))


def test_a_file_that_is_gone_is_said(tmp_path: Path) -> None:
    folder = make_card(tmp_path, "a")
    (folder / "data.bin").unlink()
    with pytest.raises(MissingFileError, match=r"data\.bin is not there"):
        verify(read_card(folder))


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "a/../../secret", "..", "", "link", "folder/secret"])
def test_a_path_cannot_leave_the_folder(tmp_path: Path, name: str) -> None:
    folder = make_card(tmp_path, "a")
    (tmp_path / "secret").write_text("s")
    (folder / "link").symlink_to(tmp_path / "secret")
    (folder / "folder").symlink_to(tmp_path, target_is_directory=True)
    with pytest.raises(ConfigError, match="leads out of the folder"):
        file_path(folder, name)


def test_verify_does_not_follow_a_link_out_of_the_folder(tmp_path: Path) -> None:
    folder = make_card(tmp_path, "a")
    (tmp_path / "outside").write_bytes(b"123")
    (folder / "data.bin").unlink()
    (folder / "data.bin").symlink_to(tmp_path / "outside")
    with pytest.raises(ConfigError, match="leads out of the folder"):
        verify(read_card(folder))


def test_a_cascade_is_asked_of_a_cascades_card_only(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match='"a" is a probe, a cascade is needed'):
        read_card(make_card(tmp_path, "a")).cascade()


def test_every_shipped_card_can_be_read() -> None:
    assert all(card.config.licence for card in list_cards())


def test_all_weights_of_the_zoo_together_are_under_30_megabytes() -> None:
    assert sum(path.stat().st_size for path in find_zoo().rglob("*.safetensors")) < 30e6


def test_the_distilled_cascade_has_the_teachers_stages_in_eight_steps_of_either_sampler() -> None:
    student, teacher = (read_card(name).cascade() for name in ("shapes-lite-distilled", "shapes-lite"))
    for own, one in zip(student.stages, teacher.stages, strict=True):
        assert own.distilled == DistilledSpec(guidance=(0, 16), samplers=("ddim", "stochastic"), steps=8)
        unet = own.unet.model_copy(update={"guidance_embedding": False, "jump_embedding": False})
        assert own.model_copy(update={"distilled": None, "unet": unet}) == one
