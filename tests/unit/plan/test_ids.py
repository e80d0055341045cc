"""Ids: whatever can change a result changes the id, and nothing else does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import BaseModel

from ivbench.config import Guidance, StageSampling, Thresholding, profile
from ivbench.config.suite import MetricConfig, MetricUnder, ReferenceConfig
from ivbench.errors import ConfigError
from ivbench.plan import CascadeSource, Execution, cascade_source
from ivbench.plan.ids import encode_payload, extract_payload, sample_payload, score_payload, task_id
from ivbench.spec import DistilledSpec
from ivbench.zoo import read_card

# Mutated fields hold values that no loaded spec could, so that every field can be changed alone.
pytestmark = pytest.mark.filterwarnings("ignore:Pydantic serializer warnings")

CONSTANT = StageSampling(
    sampler="ancestral",
    num_steps=8,
    gamma=0.3,
    thresholding=Thresholding(kind="dynamic", percentile=99.5),
    guidance=Guidance(kind="constant", w=3.0),
    augmentation_snr=5.0,
)
OSCILLATING = CONSTANT.model_copy(
    update={"guidance": Guidance(kind="oscillate", high=15.0, low=1.0, initial=0.1, phase="low")}
)


def other(value: Any) -> Any:
    """Another value of the same kind."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, str):
        return f"{value}x"
    return 0.5 if value is None else value + 1


def mutations(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """(path, copy) with one leaf changed, for each leaf of models, tuples, lists and dicts."""
    if isinstance(value, BaseModel):
        for name in type(value).model_fields:
            for where, changed in mutations(getattr(value, name), f"{path}.{name}"):
                yield where, value.model_copy(update={name: changed})
    elif isinstance(value, tuple | list):
        for index, item in enumerate(value):
            for where, changed in mutations(item, f"{path}[{index}]"):
                yield where, type(value)([*value[:index], changed, *value[index + 1 :]])
        yield f"{path}[:-1]", value[:-1]
    elif isinstance(value, dict):
        for key, item in value.items():
            for where, changed in mutations(item, f"{path}[{key}]"):
                yield where, {**value, key: changed}
    else:
        yield path, other(value)


def sample_arguments(source: CascadeSource, sampling: StageSampling) -> dict[str, Any]:
    return {
        "source": source,
        "stage_index": 1,
        "sampling": sampling,
        "execution": Execution(),
        "noise": "numpy",
        "seed": 0,
        "prompts": ["p0", "p1"],
        "sample_index": 0,
        "consumes": ["encode", "before"],
    }


def must_not_matter(path: str) -> bool:
    """Of a source: its words, what is already resolved, and the other stages (they act through consumed ids)."""
    return (
        path.startswith(
            (
                ".description",
                ".partial",
                ".training_step",
                ".sampling",
                ".spec.name",
                ".spec.stages[0]",
                ".spec.stages[2]",
            )
        )
        or path.startswith(".spec.stages[:")
        or path in (".weights[base]", ".weights[ssr1]")
    )


@pytest.mark.parametrize("sampling", [CONSTANT, OSCILLATING], ids=["constant", "oscillating"])
def test_every_resolved_field_of_a_sample_task_changes_its_id(source: CascadeSource, sampling: StageSampling) -> None:
    arguments = sample_arguments(source, sampling)
    ids = {"": task_id(sample_payload(**arguments))}
    for name, value in arguments.items():
        if name == "stage_index":
            ids[name] = task_id(sample_payload(**{**arguments, name: 2}))
            continue
        for path, changed in mutations(value):
            found = task_id(sample_payload(**{**arguments, name: changed}))
            if name == "source" and must_not_matter(path):
                assert found == ids[""], path
            else:
                ids[name + path] = found
    assert len(set(ids.values())) == len(ids)
    # The list of the design, so that a renamed or dropped field is seen here.
    for path in (
        "source.spec.stages[1].schedule",
        "source.spec.stages[1].parameterization",
        "source.spec.stages[1].unet.channels",
        "source.weights[tsr1]",
        "source.adapter",
        "source.text_encoder",
        "source.spec.text.length",
        "sampling.sampler",
        "sampling.num_steps",
        "sampling.gamma",
        "sampling.thresholding.kind",
        "sampling.thresholding.percentile",
        "sampling.guidance.kind",
        "sampling.guidance.w",
        "sampling.guidance.high",
        "sampling.guidance.low",
        "sampling.guidance.initial",
        "sampling.guidance.phase",
        "sampling.augmentation_snr",
        "execution.backend",
        "execution.device",
        "execution.dtype",
        "noise",
        "seed",
        "prompts[0]",
        "sample_index",
        "consumes[0]",
        "consumes[1]",
    ):
        assert path in ids, path


def test_how_a_stage_was_distilled_is_part_of_its_id_and_only_where_it_was(source: CascadeSource) -> None:
    plain = sample_payload(**sample_arguments(source, CONSTANT))
    assert "distilled" not in plain["stage"]
    assert "jump_embedding" not in plain["stage"]["unet"]
    facts = DistilledSpec(guidance=(0.0, 16.0), samplers=("ddim", "stochastic"), steps=8)
    own = source.spec.stages[1]
    unet = own.unet.model_copy(update={"guidance_embedding": True, "jump_embedding": True})
    ids = {task_id(plain)}
    mutated = [facts, *(changed for _, changed in mutations(facts))]
    for distilled in mutated:
        stage = own.model_copy(update={"unet": unet, "distilled": distilled})
        spec = source.spec.model_copy(update={"stages": (source.spec.stages[0], stage, source.spec.stages[2])})
        ids.add(task_id(sample_payload(**sample_arguments(source.model_copy(update={"spec": spec}), CONSTANT))))
    assert len(mutated) > 5
    assert len(ids) == 1 + len(mutated)


def test_the_shipped_cascades_identity_is_the_one_from_before_distillation() -> None:
    """A golden value: written when specs had no `distilled` and no `jump_embedding`."""
    assert cascade_source(read_card("imagen-video")).digest.startswith("06c8765214dd89bf")


def test_kind_and_format_version_are_part_of_every_id(source: CascadeSource) -> None:
    payloads = [
        sample_payload(**sample_arguments(source, CONSTANT)),
        encode_payload(source, Execution(), ["p"]),
        extract_payload("e", "d", Execution(), ["s"]),
        score_payload(MetricConfig(name="m", extractor="e"), "d", ReferenceConfig(), {}, [0], ["p"], ["x"]),
    ]
    for payload in payloads:
        for key in ("kind", "format"):
            assert task_id({**payload, key: other(payload[key])}) != task_id(payload)
    assert len({payload["kind"] for payload in payloads}) == 4


@pytest.mark.parametrize("kind", ["encode", "extract", "score"])
def test_every_resolved_field_of_the_other_tasks_changes_their_id(source: CascadeSource, kind: str) -> None:
    make: Any
    arguments: dict[str, Any]
    if kind == "encode":
        make, arguments = encode_payload, {"source": source, "execution": Execution(), "prompts": ["p0", "p1"]}
    elif kind == "extract":
        make = extract_payload
        arguments = {"extractor": "e", "extractor_digest": "d", "execution": Execution(), "consumes": ["s"]}
    else:
        make = score_payload
        arguments = {
            "metric": MetricConfig(name="m", extractor="e"),
            "extractor_digest": "d",
            "reference": ReferenceConfig(),
            "video": {"shape": [8, 8, 8, 3], "fps": 6.0},
            "seeds": [0, 1],
            "prompts": ["p0", "p1"],
            "consumes": ["x", "y"],
        }
    ids = {"": task_id(make(**arguments))}
    for name, value in arguments.items():
        for path, changed in mutations(value):
            if path == ".profile":
                continue  # a name; what it stands for is the next test's
            if name == "source" and not path.startswith((".text_encoder", ".spec.text")):
                assert task_id(make(**{**arguments, name: changed})) == ids[""], path
            else:
                ids[name + path] = task_id(make(**{**arguments, name: changed}))
    assert len(set(ids.values())) == len(ids)
    assert len(ids) > 4


@pytest.mark.parametrize("change", [{"version": 2}, {"ddof": 0}, {"candidates": 50}, {"name": "other"}])
def test_every_choice_of_a_profile_changes_the_id_of_a_score(change: dict[str, Any]) -> None:
    arguments = ("d", ReferenceConfig(), {}, [0], ["p"], ["x"])
    metric = MetricConfig(name="m", extractor="e")
    before = task_id(score_payload(metric, *arguments))
    named = metric.model_copy(update={"profile": "ivbench"})
    assert task_id(score_payload(named, *arguments)) == before
    given = MetricUnder(name="m", extractor="e", given=profile("ivbench"))
    assert task_id(score_payload(given, *arguments)) == before
    changed = given.model_copy(update={"given": given.given.model_copy(update=change)})
    assert task_id(score_payload(changed, *arguments)) != before


def test_an_unknown_profile_is_found_with_the_plan() -> None:
    metric = MetricConfig(name="m", extractor="e", profile="ivbnch")
    with pytest.raises(ConfigError, match=r'no profile is called "ivbnch"\. Did you mean "ivbench"'):
        score_payload(metric, "d", ReferenceConfig(), {}, [0], ["p"], ["x"])


def test_an_id_is_the_same_in_every_session(source: CascadeSource) -> None:
    """A golden value: where it moves, every user's store is computed anew, so bump TASK_FORMAT and say it."""
    payload = extract_payload("e", "d", Execution(), ["s"])
    assert task_id(payload) == "e8390c7d7b7ed8f4ea82f0ed19d4d2acab60c696f98caeba6e566064ac73869f"
