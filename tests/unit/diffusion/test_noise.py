from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from ivbench.diffusion import NoiseKey, normal, normal_batch
from ivbench.errors import ConfigError

KEY = NoiseKey(seed=3, prompt_digest="ab12", sample_index=1, stage="ssr1", purpose="step", step=7)
SHAPE = (2, 3, 4, 3)


def test_noise_is_independent_of_batch_and_block() -> None:
    keys = [NoiseKey(0, f"prompt {index}") for index in range(6)]
    whole = normal_batch(keys, SHAPE)
    blocks = np.concatenate([normal_batch(keys[:4], SHAPE), normal_batch(keys[4:], SHAPE)])
    backwards = normal_batch(keys[::-1], SHAPE)[::-1]
    np.testing.assert_array_equal(whole, blocks)
    np.testing.assert_array_equal(whole, backwards)
    np.testing.assert_array_equal(whole[3], normal(keys[3], SHAPE))


def test_noise_is_the_same_in_another_process() -> None:
    code = f"from ivbench.diffusion.noise import NoiseKey, normal\nprint(normal({KEY!r}, {SHAPE}).tobytes().hex())"
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    assert other == normal(KEY, SHAPE).tobytes().hex()


def test_noise_is_the_golden_one() -> None:
    # Written by ivbench itself (NumPy 2.4): samples of all results so far depend on this stream.
    golden = [-0.34530556, 0.093598634, 0.39216515, 1.3721812]
    np.testing.assert_array_equal(normal(KEY, (4,)), np.array(golden, dtype=np.float32))


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 4},
        {"prompt_digest": "ab13"},
        {"sample_index": 2},
        {"stage": "ssr2"},
        {"purpose": "augment"},
        {"step": 8},
    ],
)
def test_every_field_of_the_key_changes_the_noise(change: dict[str, Any]) -> None:
    other = replace(KEY, **change)
    assert other.philox() != KEY.philox()
    assert abs(np.corrcoef(normal(KEY, (4000,)), normal(other, (4000,)))[0, 1]) < 5 / np.sqrt(4000)


def test_fields_do_not_run_into_each_other() -> None:
    assert NoiseKey(1, "2", 3).philox() != NoiseKey(1, "23", 0).philox()
    assert NoiseKey(0, 'a",0,"b').philox() != NoiseKey(0, "a", 0, "b").philox()


def test_noise_is_standard_normal_float32() -> None:
    values = normal(KEY, (50_000,))
    assert values.dtype == np.float32
    assert abs(values.mean()) < 5 / np.sqrt(50_000)
    assert abs(values.var() - 1.0) < 5 * np.sqrt(2 / 50_000)


def test_at_keeps_the_sample_and_stage() -> None:
    assert KEY.at("init") == NoiseKey(3, "ab12", 1, "ssr1", "init", 0)
    assert KEY.at("step", 2) == replace(KEY, step=2)


def test_an_empty_batch_has_the_right_shape() -> None:
    assert normal_batch([], SHAPE).shape == (0, *SHAPE)


@pytest.mark.parametrize("bad", [{"seed": -1}, {"step": 1.5}, {"sample_index": True}, {"purpose": "final"}])
def test_a_key_checks_itself(bad: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="noise: "):
        replace(KEY, **bad)
