"""Choices that the paper leaves open: each is said where it decides a number, and nowhere else."""

from __future__ import annotations

import pytest

from ivbench.cli.options import Asked, plan_of
from ivbench.config import parse_suite, read_suite
from ivbench.plan import build_plan, cascade_source
from ivbench.run.disclosures import disclosures
from ivbench.zoo import read_card


def told(suite: str) -> str:
    return "\n".join(disclosures(plan_of(Asked(suite=suite))[1]))


def of_table1(**keys: object) -> str:
    suite = read_suite("table1").model_dump(mode="json", exclude_unset=True)
    plain = parse_suite({**suite, **keys, "conclusions": [], "published": None})
    return "\n".join(disclosures(build_plan(plain, cascade_source(read_card("shapes-lite")))))


@pytest.mark.parametrize(
    "said",
    [
        "osc(15,1) is high for the first 10% of the steps, rounded up, then low and high by turns, in base, tsr1, ssr1",
        "takes its percentile, as listed in the settings, over the whole video",
        "the recipes named in the card of shapes-lite-distilled.",
        "32 prompts, and the sampler of each row",
        "the pool of captions of R-Precision",
        "machine and batch of the sampling time",
        "null text = zero embeddings, zero pooled vector, all tokens valid; text cross-attention stands wherever",
        "input frame i becomes output frame i times the factor",
        "is applied to the low-resolution input before it is upsampled",
        "gamma of the ancestral sampler",
        "ssr1 8x24x40; the paper's are seven",
    ],
)
def test_table_1_lists_every_pinned_choice(said: str) -> None:
    assert said in told("table1")


@pytest.mark.parametrize("topic", ["osc(", "recipes named", "prompts, and the sampler", "pool of captions", "machine"])
def test_what_a_run_does_not_use_is_not_listed(topic: str) -> None:
    assert topic not in told("quick")


def test_stages_that_do_not_oscillate_are_named_with_their_weight() -> None:
    guidance = {"oscillate": {"high": 10, "low": 2, "initial": 0.25, "phase": "high", "stages": ["base"]}}
    cells = [{"guidance": {"base": guidance, "sr": 3}}]
    line = "osc(10,2) is high for the first 25% of the steps, rounded up, then high and low by turns, in base"
    assert f"{line}; elsewhere tsr1 w=3, ssr1 w=3." in of_table1(cells=cells)


def test_a_base_model_alone_has_no_super_resolution_to_speak_of() -> None:
    said = of_table1(cells=[{}], stages={"to_stage": "base"})
    assert "frame filling" not in said
    assert "conditioning augmentation" not in said
