"""`ivbench compare --explain` through real processes, on a zoo of random weights."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

pytest.importorskip("torch")
pytest.importorskip("open_clip")

from ivbench.results.files import read_results
from tests.run.processes import assert_one_line, ivbench
from tests.run.tiny_zoo import CASCADE

METRICS = [
    {"name": "fvd", "extractor": "video-probe"},
    {"name": "frame_fid", "extractor": "frame-probe"},
    {"name": "clip_score", "extractor": "clip-probe"},
]
BASE: dict[str, Any] = {
    "name": "tiny-suite",
    "cascade": CASCADE,
    "prompts": {"source": "shapes:test", "count": 3},
    "seeds": [0, 1],
    "metrics": METRICS,
    "reference": {"count": 40},
    "gallery": 0,
    "cells": [{"label": "cell", "guidance": 0, "sampler": "ddim", "steps": 1}],
}


WITH_PROFILES = """
import shutil, sys
from pathlib import Path
from ivbench.config import profile
found = sys.modules[profile.__module__]
shipped, own = found._folder(), Path("profiles")
for name in found.profile_names():
    shutil.copy(shipped / f"{name}.yaml", own)
found._folder = lambda: own
found.profile_names.cache_clear()
from ivbench.cli.main import main
sys.exit(main())
"""
"""The command, with the profiles of a folder beside those that come with ivbench."""


def scored(zoo: Path, folder: Path, name: str, code: str | None = None, **changes: Any) -> Path:
    """The results of a suite that differs so from the base."""
    (folder / f"{name}.yaml").write_text(yaml.safe_dump({**BASE, **changes}))
    done = ivbench(zoo, folder, "score", "--suite", f"{name}.yaml", "--out", name, "--no-timing", code=code)
    assert done.returncode == 0, done.stderr
    return folder / name / "results.json"


def explained(zoo: Path, folder: Path, old: str, new: str, code: str | None = None) -> tuple[dict[str, Any], str]:
    done = ivbench(zoo, folder, "compare", old, new, "--explain", "--json", "explained.json", code=code)
    assert done.returncode == 0, done.stderr
    record = json.loads((folder / "explained.json").read_text())
    assert record["format"] == "ivbench-explanation"
    return {one["metric"]: one for one in record["metrics"]}, done.stdout


def videos_of(folder: Path) -> set[str]:
    """Ids of the store's entries that hold videos."""
    manifests = {path.stem: json.loads(path.read_text()) for path in (folder / "store").rglob("*.json")}
    found = {entry for entry, manifest in manifests.items() if manifest["about"]["kind"] == "sample"}
    assert found
    return found


def values(path: Path) -> dict[str, float]:
    return {score.metric: score.value for score in read_results(path).cells[0].scores}


@pytest.fixture(scope="module")
def folder(shipped: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("explain")
    scored(shipped, made, "old")
    return made


def test_every_choice_is_changed_alone_and_the_steps_sum_up(shipped: Path, folder: Path) -> None:
    old = values(folder / "old" / "results.json")
    ddof = [{**one, "profile": "ivbench-ddof0"} if one["name"] != "clip_score" else one for one in METRICS]
    new = values(scored(shipped, folder, "new", metrics=ddof, reference={"count": 24}, seeds=[0]))
    found, shown = explained(shipped, folder, "old", "new")

    steps = found["fvd"]["steps"]
    assert [step["choice"] for step in steps] == ["profile.ddof", "reference", "seeds"]
    assert steps[0]["fields"]["ddof"] == [1, 0]
    assert steps[1]["fields"]["reference_count"] == [40, 24]
    assert steps[2]["fields"]["generated"] == [6, 3]
    assert [step["choice"] for step in found["clip_score"]["steps"]] == ["reference", "seeds"]
    assert found["clip_score"]["steps"][0]["change"] == 0.0
    for metric, one in found.items():
        assert (one["old"]["value"], one["new"]["value"]) == (old[metric], new[metric])
        assert old[metric] + sum(step["change"] for step in one["steps"]) == pytest.approx(new[metric])
        assert one["steps"][-1]["value"] == pytest.approx(new[metric])
    assert "ivbench-ddof0" in shown

    # Between the ends stand the numbers that the suite itself gives under these choices.
    middle = values(scored(shipped, folder, "middle", metrics=ddof, reference={"count": 24}))
    assert found["fvd"]["steps"][1]["value"] == pytest.approx(middle["fvd"])


def write_profile(folder: Path, name: str, **choices: Any) -> None:
    (folder / "profiles").mkdir(exist_ok=True)
    (folder / "profiles" / f"{name}.yaml").write_text(yaml.safe_dump({"name": name, "version": 1, **choices}))


def test_every_choice_of_a_profile_is_a_step_and_gives_what_a_profile_of_its_own_gives(
    shipped: Path, folder: Path
) -> None:
    model = {"model": "ViT-B-32-quickgelu", "pretrained": "openai"}
    prefixed, weighted = {"image_text": {**model, "prefix": "A photo depicts "}}, {"clip_score": {"weight": 2.5}}
    subsets = {"number": 5, "size": 10, "seed": 3}
    write_profile(folder, "far", ddof=0, kid=subsets, **prefixed, clip_score={"weight": 2.5, "clamp": "frame"})
    write_profile(folder, "with-prefix", **prefixed)
    write_profile(folder, "with-weight", **prefixed, **weighted)
    names = {"clip_score": "clip-probe", "kid": "frame-probe", "fvd": "video-probe"}
    metrics = [{"name": name, "extractor": extractor} for name, extractor in names.items()]
    scored(shipped, folder, "near", WITH_PROFILES, metrics=metrics)
    far = [{**one, "profile": "far"} for one in metrics]
    between = [{**metrics[0], "profile": name} for name in ("with-prefix", "with-weight")]
    new = scored(shipped, folder, "far", WITH_PROFILES, metrics=[*far, *between])
    recorded = read_results(new).cells[0].scores
    direct = [score.value for score in recorded if "/with-" in score.protocol]
    found, shown = explained(shipped, folder, "near", "far", WITH_PROFILES)

    *steps, unread = found["clip_score"]["steps"]
    assert [(step["choice"], step["old"], step["new"]) for step in steps] == [
        ("profile.image_text.prefix", "none", "A photo depicts "),
        ("profile.clip_score.weight", "100.0", "2.5"),
        ("profile.clip_score.clamp", "none", "frame"),
    ]
    assert [step["value"] for step in steps] == pytest.approx([*direct, recorded[0].value], rel=1e-9)
    assert len({step["value"] for step in steps}) == 3
    assert "text_prefix" in steps[0]["fields"]
    assert set(steps[1]["fields"]) == {"profile", "weight", "clamp"}
    assert unread["change"] == 0.0
    assert unread["choice"].startswith("profile (not read: image_text.model, image_text.pretrained, ddof, kid.number")
    assert (unread["old"], unread["new"]) == ("ivbench@1", "far@1")

    # Subsets have no default: one of their three choices alone is no profile.
    assert [(step["choice"], step["new"]) for step in found["kid"]["steps"][:-1]] == [
        ("profile.kid.number, profile.kid.size, profile.kid.seed", "5, 10, 3")
    ]
    assert [step["choice"] for step in found["fvd"]["steps"][:-1]] == ["profile.ddof"]
    for one in found.values():
        whole = one["new"]["value"] - one["old"]["value"]
        assert sum(step["change"] for step in one["steps"]) == pytest.approx(whole, rel=1e-9)
    assert "profile.clip_score.weight" in shown


def test_choices_whose_videos_are_not_there_are_changed_together_and_nothing_is_sampled(
    shipped: Path, folder: Path
) -> None:
    changes = {"seeds": [5, 6], "cells": [{**BASE["cells"][0], "steps": 2}], "reference": {"count": 24}}
    scored(shipped, folder, "other", **changes)
    before = videos_of(folder)
    found, _ = explained(shipped, folder, "old", "other")
    assert [step["choice"] for step in found["fvd"]["steps"]] == ["reference", "seeds, videos"]
    assert set(found["fvd"]["steps"][1]["fields"]) == set()
    assert videos_of(folder) == before


@pytest.mark.slow
def test_files_without_a_common_cell_are_refused(shipped: Path, folder: Path) -> None:
    scored(shipped, folder, "else", cells=[{**BASE["cells"][0], "label": "elsewhere"}])
    done = ivbench(shipped, folder, "compare", "old", "else", "--explain")
    assert_one_line(done, 'old has "cell", new has "elsewhere"')


@pytest.mark.slow
def test_another_extractor_is_a_step_of_its_own(shipped: Path, folder: Path) -> None:
    scored(shipped, folder, "swapped", metrics=[{"name": "frame_fid", "extractor": "clip-probe"}])
    found, _ = explained(shipped, folder, "old", "swapped")
    (step,) = found["frame_fid"]["steps"]
    assert (step["choice"], step["old"], step["new"]) == ("extractor", "frame-probe", "clip-probe")
    assert "weights" in step["fields"]


def test_what_changed_since_is_said(shipped: Path, folder: Path) -> None:
    scored(shipped, folder, "changed")
    (folder / "changed.yaml").write_text(yaml.safe_dump({**BASE, "reference": {"count": 30}}))
    done = ivbench(shipped, folder, "compare", "old", "changed", "--explain")
    assert_one_line(done, "which plans something else now")
    (folder / "changed.yaml").unlink()
    assert_one_line(ivbench(shipped, folder, "compare", "old", "changed", "--explain"), "changed.yaml")


def test_what_check_measured_is_explained_too_also_as_the_baseline(shipped: Path, folder: Path) -> None:
    (folder / "few.yaml").write_text(yaml.safe_dump({**BASE, "reference": {"count": 24}}))
    gate = {"rules": [{"metric": "CLIP score [clip-probe]", "margin": 1.0}]}
    (folder / "ivbench-gate.yaml").write_text(yaml.safe_dump(gate))
    arguments = ("check", CASCADE, "--suite", "few.yaml", "--baseline", "old", "--out", "checked")
    assert ivbench(shipped, folder, *arguments).returncode == 2  # other protocols, and three prompts decide nothing
    shutil.copytree(folder / "old", folder / "updated")
    assert ivbench(shipped, folder, "check", "checked", "--baseline", "updated", "--update").returncode == 0
    for new in ("checked", "updated"):
        found, _ = explained(shipped, folder, "old", new)
        assert [step["choice"] for step in found["fvd"]["steps"]] == ["reference"]


def test_a_file_that_is_no_suites_is_said(shipped: Path, folder: Path) -> None:
    record = json.loads((folder / "old" / "results.json").read_text())
    (folder / "by-hand.json").write_text(json.dumps({**record, "command": ""}))
    done = ivbench(shipped, folder, "compare", "old", "by-hand.json", "--explain")
    assert_one_line(done, "Only those of run and score are explained")
