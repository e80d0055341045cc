"""A tiny network behind the names of the TF-Hub I3D, in NumPy and as a TF1-format module, and videos to try it on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

GOLDEN = Path(__file__).parents[1] / "golden"
OUTPUT = "RGB/inception_i3d/Mean:0"
CLASSES = 400
_BLOCK = 28


def weights() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """[192, 400] and [400]."""
    draw = np.random.Generator(np.random.Philox(key=[7, 0]))
    inputs = 3 * (224 // _BLOCK) ** 2
    matrix = draw.standard_normal((inputs, CLASSES)) / np.sqrt(inputs)
    return matrix.astype(np.float32), (0.1 * draw.standard_normal(CLASSES)).astype(np.float32)


def features(clips: NDArray[np.float32]) -> NDArray[np.float32]:
    """Clips [N, T, 224, 224, 3] in [-1, 1] -> [N, 400]: means of blocks, one layer, tanh, mean over time."""
    side = 224 // _BLOCK
    blocks = clips.reshape(*clips.shape[:2], side, _BLOCK, side, _BLOCK, 3).mean((3, 5), dtype=np.float64)
    matrix, offset = weights()
    logits = np.tanh(blocks.reshape(*clips.shape[:2], -1) @ matrix + offset)
    return np.asarray(logits.mean(1), np.float32)


def graph(inputs: Any) -> None:
    """The network in the current graph of TensorFlow 1, on a placeholder."""
    import tensorflow as tf

    v1 = tf.compat.v1
    values = weights()
    matrix, offset = (
        v1.get_variable(name, initializer=v1.constant(value), use_resource=False)
        for name, value in zip(("matrix", "offset"), values, strict=True)
    )
    frames = tf.reshape(inputs, [-1, 224, 224, 3])
    blocks = tf.nn.avg_pool2d(frames, _BLOCK, _BLOCK, "VALID")
    rows = tf.reshape(blocks, [tf.shape(inputs)[0], tf.shape(inputs)[1], values[0].shape[0]])
    logits = tf.tanh(tf.tensordot(rows, matrix, 1) + offset)
    with v1.name_scope("RGB/inception_i3d"):
        tf.reduce_mean(logits, axis=1, name="Mean")


def write_module(folder: Path) -> Path:
    """A module in TF-Hub's TF1 format: a graph without tags, its variables, and the file that marks the format."""
    import tensorflow as tf

    v1 = tf.compat.v1
    with tf.Graph().as_default(), v1.Session() as session:
        inputs = v1.placeholder(tf.float32, [None, None, 224, 224, 3], name="input_frames")
        graph(inputs)
        output = v1.get_default_graph().get_tensor_by_name(OUTPUT)
        session.run(v1.global_variables_initializer())
        signature = v1.saved_model.predict_signature_def({"rgb": inputs}, {"default": output})
        builder = v1.saved_model.Builder(str(folder))
        builder.add_meta_graph_and_variables(session, [], {"default": signature})
        builder.save()
    (folder / "tfhub_module.pb").write_bytes(b"\x08\x03")
    return folder


def videos() -> dict[str, list[NDArray[np.uint8]]]:
    """16 videos of each side, of 4 frames: variants of the golden pans over photographs."""
    turns = (lambda v: v, lambda v: v[:, ::-1], lambda v: v[:, :, ::-1], lambda v: 255 - v, lambda v: v[..., ::-1])
    turns += (lambda v: v[::-1], lambda v: v // 2, lambda v: v[:, 5:37, 7:50])
    with np.load(GOLDEN / "peers.npz") as arrays:
        sides = {side: [arrays[f"{side}_video_{i}"][::4] for i in range(2)] for side in ("generated", "reference")}
    return {side: [np.ascontiguousarray(t(v)) for v in found for t in turns] for side, found in sides.items()}
