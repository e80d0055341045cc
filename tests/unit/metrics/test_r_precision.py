from __future__ import annotations

from math import comb

import numpy as np
import pytest

from ivbench.config import Profile
from ivbench.errors import ConfigError, ShapeError
from ivbench.metrics import Batch
from ivbench.metrics.r_precision import RPrecision, expected_precision
from ivbench.metrics.texts import Pool, Texts
from tests.unit.metrics.cells import conditions

GENERATOR = np.random.default_rng(0)
CAPTIONS = [f"caption {i}" for i in range(30)]
EMBEDDINGS = GENERATOR.normal(size=(30, 6))
SMALL = Profile(name="small", version=1, candidates=5)


def columns(pool: Pool, images: np.ndarray, candidates: int = 5) -> dict[str, np.ndarray]:
    texts = Texts.of(CAPTIONS[: len(images)], EMBEDDINGS[: len(images)], pool)
    chosen = conditions(texts=texts, profile=Profile(name="small", version=1, candidates=candidates))
    return RPrecision().values(images, np.arange(len(images)), chosen)


@pytest.mark.parametrize(("g", "m", "k"), [(0, 10, 4), (1, 10, 4), (6, 10, 4), (7, 10, 4), (3, 479, 99), (1, 9, 9)])
def test_the_expectation_is_the_ratio_of_binomials(g: int, m: int, k: int) -> None:
    value = expected_precision(np.array([g]), np.array(m), np.array(k))
    assert value[0] == pytest.approx(comb(m - g, k) / comb(m, k), rel=1e-12)


def test_the_expectation_is_what_drawing_distractors_gives() -> None:
    images = EMBEDDINGS[:4, None] + GENERATOR.normal(scale=2.0, size=(4, 2, 6))
    value = columns(Pool.merged(CAPTIONS, EMBEDDINGS), images)["value"]
    unit = EMBEDDINGS / np.linalg.norm(EMBEDDINGS, axis=1, keepdims=True)
    drawn = np.empty(4)
    for video in range(4):
        others = np.delete(np.arange(30), video)
        chosen = others[GENERATOR.random((4000, 29)).argsort(axis=1)[:, :4]]
        cosines = images[video] @ unit.T
        drawn[video] = 100 * (cosines[:, None, video] > cosines[:, chosen].max(axis=2)).mean()
    assert value.max() - value.min() > 20
    np.testing.assert_allclose(value, drawn, atol=2.5)


def test_with_replacement_distractors_are_independent_draws() -> None:
    value = expected_precision(np.array([0, 3, 479]), np.array(479), np.array(99), replacement=True)
    np.testing.assert_allclose(value, [1.0, (476 / 479) ** 99, 0.0], rtol=1e-12)
    images = EMBEDDINGS[:4, None] + GENERATOR.normal(scale=2.0, size=(4, 2, 6))
    texts = Texts.of(CAPTIONS[:4], EMBEDDINGS[:4], Pool.merged(CAPTIONS[:10], EMBEDDINGS[:10]))
    many = Profile(name="many", version=1, candidates=25, replacement=True)  # more than the pool has
    chosen = conditions(texts=texts, profile=many)
    found = RPrecision().values(images, np.arange(4), chosen)["value"]
    unit = EMBEDDINGS[:10] / np.linalg.norm(EMBEDDINGS[:10], axis=1, keepdims=True)
    cosines = images @ unit.T
    above = (cosines > np.stack([cosines[i, :, i : i + 1] for i in range(4)])).sum(-1)
    np.testing.assert_allclose(found, 100 * ((1 - above / 9) ** 24).mean(1), rtol=1e-9)
    only = Texts.of(CAPTIONS[:1], EMBEDDINGS[:1], Pool.merged(CAPTIONS[:1], EMBEDDINGS[:1]))
    with pytest.raises(ConfigError, match="at least 1 are needed"):
        RPrecision().values(images[:1], np.arange(1), conditions(texts=only, profile=many))


def test_frames_that_are_their_caption_always_hit_and_their_opposite_never() -> None:
    pool = Pool.merged(CAPTIONS, EMBEDDINGS)
    assert columns(pool, EMBEDDINGS[:, None])["value"].tolist() == [100.0] * 30
    assert columns(pool, -EMBEDDINGS[:, None])["value"].max() == 0.0


def test_blank_videos_score_at_chance_at_most() -> None:
    image = np.broadcast_to(GENERATOR.normal(size=6), (30, 2, 6))
    mean = columns(Pool.merged(CAPTIONS, EMBEDDINGS), image)["value"].mean()
    assert mean == pytest.approx(20.0, rel=1e-9)


def test_ties_are_misses_and_counted() -> None:
    pool = Pool.merged(CAPTIONS, np.broadcast_to(EMBEDDINGS[0], (30, 6)))
    texts = Texts.of(CAPTIONS, np.broadcast_to(EMBEDDINGS[0], (30, 6)), pool)
    found = RPrecision().values(EMBEDDINGS[:, None], np.arange(30), conditions(texts=texts, profile=SMALL))
    assert found["value"].max() == 0.0
    assert found["tied"].tolist() == [100.0] * 30


def test_a_caption_that_occurs_twice_counts_once_and_is_not_its_own_distractor() -> None:
    images = EMBEDDINGS[:, None] + GENERATOR.normal(scale=1.0, size=(30, 2, 6))
    once = columns(Pool.merged(CAPTIONS, EMBEDDINGS), images)["value"]
    doubled = Pool.merged(CAPTIONS + CAPTIONS[:9], np.concatenate([EMBEDDINGS, EMBEDDINGS[:9]]))
    assert len(doubled.captions) == 30
    assert np.array_equal(columns(doubled, images)["value"], once)


def test_with_motion_merged_captions_of_the_own_group_are_no_distractors() -> None:
    groups = np.arange(30) // 3
    shared = EMBEDDINGS[groups * 3]
    pool = Pool.merged(CAPTIONS, shared, groups)
    texts = Texts.of(CAPTIONS, shared, pool)
    found = RPrecision().values(shared[:, None], np.arange(30), conditions(texts=texts, profile=SMALL))
    assert found["motion_merged"].tolist() == [100.0] * 30
    np.testing.assert_allclose(found["value"], 100 * comb(27, 4) / comb(29, 4))


@pytest.mark.parametrize("replacement", [False, True])
def test_captions_of_the_own_class_are_no_distractors(replacement: bool) -> None:
    """By hand: the ranks among the captions of other classes."""
    classes = np.array([0] * 6 + [1] * 10 + [2] * 14)
    pool = Pool.merged(CAPTIONS, EMBEDDINGS, None, classes)
    images = EMBEDDINGS + GENERATOR.normal(scale=2.0, size=(30, 6))
    chosen = SMALL.model_copy(update={"replacement": replacement})
    texts = Texts.of(CAPTIONS, EMBEDDINGS, pool)
    found = RPrecision().values(images[:, None], np.arange(30), conditions(texts=texts, profile=chosen))["value"]
    unit = EMBEDDINGS / np.linalg.norm(EMBEDDINGS, axis=1, keepdims=True)
    for row, value in enumerate(found):
        scores = unit @ images[row]
        others = classes != classes[row]
        above, many = int((scores[others] > scores[row]).sum()), int(others.sum())
        hit = (1 - above / many) ** 4 if replacement else comb(many - above, 4) / comb(many, 4)
        assert value == pytest.approx(100 * hit)
    assert pool.digest != Pool.merged(CAPTIONS, EMBEDDINGS).digest
    with pytest.raises(ConfigError, match="16 other captions of other classes, at least 19"):
        columns(pool, images[:, None], candidates=20)


def test_a_prompt_outside_the_pool_has_the_whole_pool_as_distractors() -> None:
    pool = Pool.merged(CAPTIONS[1:], EMBEDDINGS[1:], np.arange(29))
    image = EMBEDDINGS[:1] + EMBEDDINGS[1:2]
    unit = EMBEDDINGS / np.linalg.norm(EMBEDDINGS, axis=1, keepdims=True)
    above = int((unit[1:] @ image[0] > unit[0] @ image[0]).sum())
    found = columns(pool, image[:, None])
    assert 0 < above < 26
    assert found["value"][0] == pytest.approx(100 * comb(29 - above, 4) / comb(29, 4))
    assert found["motion_merged"].tolist() == found["value"].tolist()


def test_a_pool_smaller_than_the_candidates_is_refused() -> None:
    with pytest.raises(ConfigError, match="29 other captions, at least 99"):
        columns(Pool.merged(CAPTIONS, EMBEDDINGS), EMBEDDINGS[:, None], candidates=100)


def test_no_pool_and_uneven_pools_are_refused() -> None:
    with pytest.raises(ConfigError, match="a pool of captions"):
        RPrecision().values(EMBEDDINGS[:, None], np.arange(30), conditions(texts=Texts.of(CAPTIONS, EMBEDDINGS)))
    with pytest.raises(ShapeError, match="30 captions"):
        Pool.merged(CAPTIONS, EMBEDDINGS[:3])


def test_the_digest_of_a_pool_covers_captions_order_and_groups() -> None:
    pools = [
        Pool.merged(CAPTIONS, EMBEDDINGS),
        Pool.merged(CAPTIONS[::-1], EMBEDDINGS),
        Pool.merged(CAPTIONS[:-1], EMBEDDINGS[:-1]),
        Pool.merged(CAPTIONS, EMBEDDINGS, np.arange(30)),
    ]
    assert len({pool.digest for pool in pools}) == 4
    assert pools[0].digest == Pool.merged(CAPTIONS, EMBEDDINGS * 2).digest


def test_captions_that_stand_again_are_counted_and_said() -> None:
    doubled = Pool.merged([*CAPTIONS, *CAPTIONS[:3]], np.concatenate([EMBEDDINGS, EMBEDDINGS[:3]]))
    assert doubled.duplicates == 3
    assert doubled.digest == Pool.merged(CAPTIONS, EMBEDDINGS).digest
    chosen = conditions(texts=Texts.of(CAPTIONS, EMBEDDINGS, doubled), profile=SMALL)
    metric = RPrecision()
    evidence = metric.gather([Batch(0, np.arange(30), EMBEDDINGS[:, None])], chosen)
    assert (
        "33 captions make a pool of 30: one that stands again counts once" in metric.score(evidence, chosen, [0]).notes
    )
