from __future__ import annotations

import numpy as np
import pytest

from ivbench.errors import NonFiniteError, ShapeError
from ivbench.metrics.clip_score import clip_scores, shuffled_clip_scores
from ivbench.metrics.texts import unit_norm

GENERATOR = np.random.default_rng(0)
IMAGES = GENERATOR.normal(size=(6, 3, 8))
TEXTS = GENERATOR.normal(size=(6, 8))


def test_it_is_100_times_the_cosine_averaged_over_frames() -> None:
    cosines = [[i @ t / np.linalg.norm(i) / np.linalg.norm(t) for i in video] for video, t in zip(IMAGES, TEXTS)]  # noqa: B905
    np.testing.assert_allclose(clip_scores(IMAGES, TEXTS), 100 * np.mean(cosines, axis=1), rtol=1e-12)


def test_a_frame_that_is_its_caption_scores_100_and_its_opposite_minus_100() -> None:
    np.testing.assert_allclose(clip_scores(TEXTS[:, None] * 7.0, TEXTS), 100.0)
    np.testing.assert_allclose(clip_scores(-TEXTS[:, None], TEXTS), -100.0)


def test_the_shuffled_value_is_the_mean_over_all_other_captions() -> None:
    unit = unit_norm(TEXTS)
    one = np.array([[clip_scores(IMAGES[i : i + 1], TEXTS[j : j + 1])[0] for j in range(6)] for i in range(6)])
    others = (one.sum(axis=1) - np.diagonal(one)) / 5
    np.testing.assert_allclose(shuffled_clip_scores(IMAGES, np.arange(6), unit), others, rtol=1e-10)


def test_embeddings_without_direction_or_of_other_shape_are_refused() -> None:
    with pytest.raises(NonFiniteError, match="length 0"):
        clip_scores(np.zeros((6, 3, 8)), TEXTS)
    with pytest.raises(NonFiniteError, match="NaN"):
        clip_scores(np.full((6, 3, 8), np.nan), TEXTS)
    with pytest.raises(ShapeError, match=r"\[B, T, D\]"):
        clip_scores(IMAGES, TEXTS[:4])
