"""What a probe's card says of it: accuracy by resolution, and what it makes of videos that show nothing.

Everything here reads extractors through their door and is NumPy only.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ivbench.data.shapes.attributes import BACKGROUNDS, Attributes, combinations
from ivbench.data.shapes.captions import caption, prompts
from ivbench.data.shapes.render import draw_scene, render, to_uint8
from ivbench.extractors.agreement import AttributeJudge, agreement
from ivbench.extractors.base import ImageTextExtractor
from ivbench.train.degrade import noise_clips
from ivbench.train.probes import VALUES, draw_examples

__all__ = ["SIZES_USED", "attribute_checks", "expected_hits", "image_text_checks", "spoilt_videos"]

SIZES_USED = {"12x20": (4, 3.0, 12, 20), "24x40": (8, 6.0, 24, 40), "48x80": (16, 12.0, 48, 80)}
_SEED = 990_001
_CLIPS = 480
_DISTRACTORS = 99

Videos = NDArray[np.uint8]


def attribute_checks(probe: AttributeJudge, clips: bool) -> dict[str, Any]:
    """Accuracies of attribute heads, in [0, 1].

    Args:
        probe: a frame probe or a video probe.
        clips: it judges clips.

    Returns:
        "accuracy": resolution -> attribute -> share right, on real examples of every combination and style;
        "sanity": blank, noise, shuffled captions -> attribute -> share "right", beside "chance";
        "none_on_noise": share of answers "none", by attribute; "agreement": with the geometric judge, on real and on
        spoilt clips.
    """
    accuracy = {name: _accuracy(probe, height, width, clips) for name, (_, _, height, width) in SIZES_USED.items()}
    rows, real = _real_clips(_CLIPS // 2, "12x20")
    sanity: dict[str, dict[str, float]] = {}
    for kind, videos in (*spoilt_videos(real.shape).items(), ("shuffled captions", real)):
        asked = rows if kind != "shuffled captions" else _shuffled(rows)
        answers = probe.predict(videos)
        asked_of = {name: np.array([getattr(row, name) for row in asked]) for name in probe.heads}
        sanity[kind] = {
            name: _share(answers[name], said)
            for name, said in asked_of.items()
            if kind != "shuffled captions" or len(set(said)) > 1  # all clips are solid: their style can't be shuffled
        }
    sanity["chance"] = {name: round(1 / len(VALUES[name]), 4) for name in probe.heads}
    noise = probe.predict(spoilt_videos(real.shape)["noise"])
    return {
        "accuracy": accuracy,
        "sanity": sanity,
        "none_on_noise": {name: round(float((noise[name] == "none").mean()), 4) for name in probe.heads},
        "agreement": {"real clips": agreement(probe, real), "spoilt clips": agreement(probe, _spoilt_clips())},
    }


def image_text_checks(
    probe: ImageTextExtractor, sizes: Sequence[str] = tuple(SIZES_USED), count: int = 320
) -> dict[str, Any]:
    """Scores of a CLIP probe on real clips of the test prompts, in the units of the metrics (0 to 100).

    Args:
        probe: the CLIP probe.
        sizes: keys of `SIZES_USED`.
        count: how many of the test prompts, one clip each.

    Returns:
        "ground_truth": resolution -> CLIP score, R-Precision, and R-Precision with motion merged; "sanity": the same of
        blank videos, noise, and real clips under shuffled captions.
    """
    pool, rows = combinations("pool"), combinations("test")[:count]
    texts = probe.embed_text(prompts("pool"))
    found = {}
    for name in sizes:
        asked, videos = _real_clips(count, name, rows)
        found[name] = _scores(probe.extract(videos), asked, texts, pool)
    asked, real = _real_clips(count, "12x20", rows)
    sanity = {
        kind: _scores(probe.extract(empty), asked, texts, pool) for kind, empty in spoilt_videos(real.shape).items()
    }
    sanity["shuffled captions"] = _scores(probe.extract(real), _shuffled(asked), texts, pool)
    return {"ground_truth": found, "sanity": sanity, "chance_r_precision": 100.0 / (_DISTRACTORS + 1)}


def expected_hits(above: NDArray[np.int64], others: int, distractors: int = _DISTRACTORS) -> NDArray[np.float64]:
    """Probability that none of the captions above the truth is among the distractors drawn.

    P(hit) = C(M - g, k) / C(M, k)

    Args:
        above: any shape: g, how many of the other captions score at least as high as the truth.
        others: M, the pool's captions but the truth.
        distractors: k of them are drawn without repetition.
    """
    i = np.arange(distractors)
    return np.asarray(np.prod(np.maximum(others - above[..., None] - i, 0) / (others - i), axis=-1))


def spoilt_videos(shape: tuple[int, ...]) -> dict[str, Videos]:
    """Videos [B, T, H, W, C] that show nothing: plain backgrounds in turn, and white noise."""
    colours = np.array(list(BACKGROUNDS.values()), np.uint8)[np.arange(shape[0]) % len(BACKGROUNDS)]
    blank = np.broadcast_to(colours[:, None, None, None], shape).copy()
    return {"blank": blank, "noise": noise_clips(shape, np.random.default_rng(_SEED))}


def _spoilt_clips() -> Videos:
    rng = np.random.default_rng([_SEED, 1])
    return np.concatenate([draw_examples(rng, 48, 12, 20, True, 1.0).videos[:, :4] for _ in range(5)])


def _accuracy(probe: AttributeJudge, height: int, width: int, clips: bool) -> dict[str, float]:
    rng = np.random.default_rng([_SEED, height])
    right: dict[str, list[NDArray[np.bool_]]] = {name: [] for name in probe.heads}
    for _ in range(_CLIPS // 48):
        examples = draw_examples(rng, 48, height, width, clips, spoilt=0.0)
        answers = probe.predict(examples.videos)
        for name, values in probe.heads.items():
            label = examples.labels[name]
            said = answers[name].reshape(len(label), -1)[:, 0]
            right[name].append((said == np.array(values)[label])[label >= 0])
    return {name: round(float(np.concatenate(hits).mean()), 4) for name, hits in right.items()}


def _real_clips(
    count: int, size: str, rows: tuple[Attributes, ...] = combinations("all")
) -> tuple[list[Attributes], Videos]:
    num_frames, fps, height, width = SIZES_USED[size]
    rng = np.random.default_rng([_SEED, count, height])
    chosen = [rows[i] for i in (np.arange(count) * 7 % len(rows) if count < len(rows) else np.arange(count))]
    return chosen, to_uint8(render([draw_scene(row, rng) for row in chosen], num_frames, fps, height, width))


def _shuffled(rows: list[Attributes]) -> list[Attributes]:
    order = np.random.default_rng(_SEED).permutation(len(rows))
    return [rows[i] for i in order]


def _share(said: NDArray[np.str_], asked: NDArray[np.str_]) -> float:
    return round(float((said == (asked[:, None] if said.ndim == 2 else asked)).mean()), 4)


def _scores(
    frames: NDArray[np.float32], rows: list[Attributes], texts: NDArray[np.float32], pool: tuple[Attributes, ...]
) -> dict[str, float]:
    """Mean CLIP score and expected R-Precision over all frames [B, T, D], each frame under its row's caption."""
    place = {caption(row): i for i, row in enumerate(pool)}
    true = np.array([place[caption(row)] for row in rows])
    looks = {look: i for i, look in enumerate(dict.fromkeys(map(_look, pool)))}
    still = np.array([looks[_look(row)] for row in pool])
    similarity = frames.astype(np.float64) @ texts.T.astype(np.float64)
    own = np.take_along_axis(similarity, true[:, None, None], axis=2)
    higher = similarity >= own
    higher[np.arange(len(rows))[:, None], np.arange(frames.shape[1]), true[:, None]] = False
    same = still[true][:, None] == still
    merged = expected_hits((higher & ~same[:, None]).sum(-1), len(pool) - 1)
    return {
        "clip_score": round(float(100 * own.mean()), 3),
        "r_precision": round(float(100 * expected_hits(higher.sum(-1), len(pool) - 1).mean()), 3),
        "r_precision_motion_merged": round(float(100 * merged.mean()), 3),
    }


def _look(row: Attributes) -> tuple[str, str, str, str]:
    return row.shape, row.colour, row.background, row.size
