"""From cards to what a plan needs, and no framework on the way."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from ivbench.config import MetricConfig
from ivbench.config.canonical import file_digest
from ivbench.errors import ConfigError, DigestError
from ivbench.plan import cascade_source, extractor_digests
from ivbench.zoo import read_card

SHA = "a" * 64


def card(zoo: Path, name: str, kind: str, **keys: Any) -> Path:
    folder = zoo / name
    folder.mkdir()
    text = {"name": name, "kind": kind, "licence": "Apache-2.0", **keys}
    (folder / "card.yaml").write_text(yaml.safe_dump(text))
    return folder


@pytest.fixture
def zoo(tmp_path: Path, source: Any) -> Path:
    folder = card(
        tmp_path,
        "tiny",
        "cascade",
        weights={"base": "base.safetensors"},
        files={"base.safetensors": SHA},
        sampling={"guidance": 2},
    )
    (folder / "cascade.yaml").write_text(yaml.safe_dump(source.spec.model_dump(mode="json")))
    card(tmp_path, "t5-tiny", "text-encoder", digest="b" * 64)
    card(tmp_path, "clip", "probe", digest="c" * 64)
    return tmp_path


def test_a_card_gives_spec_digests_and_settings(zoo: Path, source: Any) -> None:
    found = cascade_source(read_card("tiny", zoo), zoo)
    assert found.spec == source.spec
    assert found.weights == {"base": SHA}
    assert found.text_encoder == "b" * 64
    assert found.sampling.guidance is not None


def test_a_text_encoder_must_be_one(zoo: Path) -> None:
    text = (zoo / "t5-tiny" / "card.yaml").read_text()
    (zoo / "t5-tiny" / "card.yaml").write_text(text.replace("text-encoder", "probe"))
    with pytest.raises(DigestError, match="Name a text encoder"):
        cascade_source(read_card("tiny", zoo), zoo)


def test_a_text_encoder_without_a_card_is_known_by_its_files(zoo: Path, tmp_path: Path) -> None:
    folder = tmp_path / "own" / "t5"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    digests = []
    cascade = zoo / "tiny" / "cascade.yaml"
    spec = yaml.safe_load(cascade.read_text())
    spec["text"]["encoder"] = str(folder)
    cascade.write_text(yaml.safe_dump(spec))
    for weights in (b"one", b"two", b"one"):
        (folder / "model.safetensors").write_bytes(weights)
        digests.append(cascade_source(read_card("tiny", zoo), zoo).text_encoder)
    assert digests[0] == digests[2] != digests[1]


def test_card_and_cascade_name_one_text_encoder(zoo: Path) -> None:
    path = zoo / "tiny" / "card.yaml"
    path.write_text(path.read_text() + "text_encoder: other\n")
    with pytest.raises(ConfigError, match="Make them equal"):
        cascade_source(read_card("tiny", zoo), zoo)


def test_weights_of_no_stage_are_said(zoo: Path) -> None:
    path = zoo / "tiny" / "card.yaml"
    path.write_text(path.read_text().replace("base: base", "bas: base"))
    with pytest.raises(ConfigError, match='Did you mean "base"'):
        cascade_source(read_card("tiny", zoo), zoo)


def test_an_extractor_has_its_cards_digest_and_one_without_a_card_has_its_names(zoo: Path) -> None:
    metrics = [MetricConfig(name="a", extractor="clip"), MetricConfig(name="b", extractor="geometric-judge")]
    found = extractor_digests(metrics, zoo)
    assert found["clip"] == "c" * 64
    assert len(found["geometric-judge"]) == 64


def test_an_unknown_extractor_is_found_with_the_plan(zoo: Path) -> None:
    with pytest.raises(ConfigError, match=r'no extractor is called "geometric-jugde"'):
        extractor_digests([MetricConfig(name="a", extractor="geometric-jugde")], zoo)


def test_a_misspelt_probe_is_found_among_the_zoos(zoo: Path) -> None:
    (zoo / "probes").mkdir()
    card(zoo / "probes", "clip-probe", "probe", digest="c" * 64)
    with pytest.raises(ConfigError, match=r'Did you mean "clip-probe"\?'):
        extractor_digests([MetricConfig(name="a", extractor="clip-prob")], zoo)


def test_a_wrong_card_elsewhere_harms_nobody(zoo: Path) -> None:
    (zoo / "broken").mkdir()
    (zoo / "broken" / "card.yaml").write_text("name: [")
    assert cascade_source(read_card("tiny", zoo), zoo).spec.name == "tiny"
    assert set(extractor_digests([MetricConfig(name="a", extractor="clip")], zoo)) == {"clip"}


def test_a_cascade_file_that_its_card_digests_is_checked(zoo: Path) -> None:
    path = zoo / "tiny" / "card.yaml"
    text = yaml.safe_load(path.read_text())
    text["files"]["cascade.yaml"] = file_digest(zoo / "tiny" / "cascade.yaml")
    path.write_text(yaml.safe_dump(text))
    cascade_source(read_card("tiny", zoo), zoo)
    cascade = zoo / "tiny" / "cascade.yaml"
    cascade.write_text(cascade.read_text() + "\n# altered\n")
    with pytest.raises(DigestError, match=r"cascade\.yaml"):
        cascade_source(read_card("tiny", zoo), zoo)


def test_config_zoo_results_and_plan_import_no_framework() -> None:
    code = (
        "import sys, ivbench.config, ivbench.zoo, ivbench.results, ivbench.plan, ivbench.data.prompts\n"
        "from ivbench.plan import build_plan\n"
        "print(sorted({'torch', 'jax', 'transformers', 'tensorflow', 'open_clip', 'ivbench.run'} & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "[]\n"
