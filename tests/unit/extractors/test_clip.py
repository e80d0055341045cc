"""CLIP embeddings from an open_clip folder, on the shipped CLIP probes."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("open_clip")

from ivbench.data.shapes import caption, combinations, draw_scene, image_caption, render, to_uint8
from ivbench.data.shapes.captions import vocabulary_captions
from ivbench.errors import MissingFileError
from ivbench.extractors import ImageTextExtractor, load_extractor
from ivbench.metrics.clip_score import clip_scores
from ivbench.train.probe_checks import expected_hits, image_text_checks

PROBES = Path(__file__).parents[3] / "zoo" / "probes"


@pytest.fixture(scope="module", params=["clip-probe", "clip-probe-b"])
def probe(request: pytest.FixtureRequest) -> ImageTextExtractor:
    loaded = load_extractor(PROBES / request.param)
    assert isinstance(loaded, ImageTextExtractor)
    return loaded


def videos(count: int) -> NDArray[np.uint8]:
    rng = np.random.default_rng(2)
    return to_uint8(render([draw_scene(row, rng) for row in combinations("test")[:count]], 8, 6.0, 24, 40))


def test_embeddings_are_unit_vectors(probe: ImageTextExtractor) -> None:
    images, texts = probe.extract(videos(4)), probe.embed_text([caption(row) for row in combinations("test")[:5]])
    assert images.shape == (4, 8, 32)
    np.testing.assert_allclose(np.linalg.norm(images, axis=-1), 1.0, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(texts, axis=-1), 1.0, atol=1e-5)


def test_frames_are_nearest_to_their_own_captions_among_other_looks(probe: ImageTextExtractor) -> None:
    rows = [row for row in combinations("test") if row.motion == "still"][:40]
    rng = np.random.default_rng(3)
    clips = to_uint8(render([draw_scene(row, rng) for row in rows], 4, 3.0, 12, 20))
    texts = probe.embed_text([image_caption(row) for row in rows])
    found = (probe.extract(clips) @ texts.T).argmax(-1)
    assert (found == np.arange(len(rows))[:, None]).mean() >= 0.85


def test_noise_and_shuffled_captions_are_near_chance(probe: ImageTextExtractor) -> None:
    checks = image_text_checks(probe, sizes=["12x20"], count=64)
    truth = checks["ground_truth"]["12x20"]["r_precision"]
    assert truth >= 70
    for kind in ("blank", "noise", "shuffled captions"):
        assert checks["sanity"][kind]["r_precision"] < 4, kind


def test_the_second_probe_confirms_the_order_of_the_first() -> None:
    """Real clips spoilt by more and more noise, and by captions of others, in the order of both probes' CLIP scores."""
    rng = np.random.default_rng(4)
    rows = combinations("test")[:48]
    clips = to_uint8(render([draw_scene(row, rng) for row in rows], 8, 6.0, 24, 40))
    noise = rng.normal(size=clips.shape)
    spoilt = [np.clip(clips + level * noise, 0, 255).astype(np.uint8) for level in (0, 40, 80, 120)]
    orders = []
    for name in ("clip-probe", "clip-probe-b"):
        probe = load_extractor(PROBES / name)
        assert isinstance(probe, ImageTextExtractor)
        texts = probe.embed_text([caption(row) for row in rows])
        scores = [float(clip_scores(probe.extract(one), texts).mean()) for one in spoilt]
        scores.append(float(clip_scores(probe.extract(clips), np.roll(texts, 7, axis=0)).mean()))
        orders.append(np.argsort(scores).tolist())
    assert orders[0] == orders[1]
    assert orders[0][-1] == 0


def test_a_text_does_not_depend_on_its_neighbours_and_a_long_one_is_cut(probe: ImageTextExtractor) -> None:
    texts = [caption(row) for row in combinations("test")[:9]]
    together, alone = probe.embed_text(texts), probe.embed_text(texts[4:5])
    np.testing.assert_allclose(alone, together[4:5], atol=1e-5)
    assert np.isfinite(probe.embed_text([" ".join(texts) * 30, "", "words that nobody taught it"])).all()
    assert probe.embed_text([]).shape == (0, 32)


def test_a_text_that_is_cut_is_counted(probe: ImageTextExtractor) -> None:
    length = probe.context_length - 2  # type: ignore[attr-defined]
    texts = ["red " * length, "red " * (length + 1), "a small red ring"]
    assert probe.truncated(texts).tolist() == [False, True, False]
    np.testing.assert_array_equal(*probe.embed_text(["red " * (length + 1), "red " * (length + 9)]))


def test_no_caption_of_the_domain_is_cut(probe: ImageTextExtractor) -> None:
    assert not probe.truncated(vocabulary_captions()[::50]).any()
    longest = max(len(text.replace(",", " ,").replace(":", " :").split()) for text in vocabulary_captions())
    assert longest + 2 <= probe.context_length  # type: ignore[attr-defined]


def test_a_folder_without_weights_is_refused(tmp_path: Path) -> None:
    from ivbench.extractors.torch_clip import ClipExtractor

    folder = shutil.copytree(PROBES / "clip-probe", tmp_path / "clip-probe")
    (folder / "open_clip_model.safetensors").unlink()
    with pytest.raises(MissingFileError, match=r"open_clip_model\.safetensors is not there"):
        ClipExtractor(folder)


def test_expected_hits_is_the_mean_over_all_draws() -> None:
    rng = np.random.default_rng(0)
    above, others, drawn = 3, 20, 6
    hits = [not (rng.permutation(others)[:drawn] < above).any() for _ in range(20_000)]
    assert float(expected_hits(np.array([above]), others, drawn)[0]) == pytest.approx(np.mean(hits), abs=0.015)
    assert expected_hits(np.array([0, others]), others, drawn).tolist() == [1.0, 0.0]
