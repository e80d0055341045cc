"""The process in which TensorFlow runs: `python tfhub_worker.py MODULE INPUT OUTPUT`, a program by itself.

It loads a TF1-format module of TF-Hub or a SavedModel, says "ready", then reads lines: two files with a tab between
them. The first is an npy of a batch; the features of it are written to the second, and "done" is said. A line that
begins with "error" ends it. It imports nothing of ivbench, so that any Python with TensorFlow can run it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

__all__ = ["main"]

_TF1_MODULE = "tfhub_module.pb"


def main(module: str, input_name: str, output_name: str) -> None:
    """Serve batches until the input ends.

    Args:
        module: folder of the module.
        input_name: a tensor of the graph (`input_frames:0`), or an argument of the signature serving_default.
        output_name: a tensor of the graph (`RGB/inception_i3d/Mean:0`), or an output of the signature.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    replies, sys.stdout = sys.stdout, sys.stderr  # what TensorFlow prints is no reply
    try:
        run = _load(module, input_name, output_name)
        print("ready", file=replies, flush=True)
        for line in sys.stdin:
            source, _, place = line.rstrip("\n").partition("\t")
            with open(place, "wb") as file:
                np.save(file, run(np.load(source)))
            print("done", file=replies, flush=True)
    except Exception as error:  # whatever TensorFlow raises is said to the parent, which raises its own
        print(f"error\t{type(error).__name__}\t{' '.join(str(error).split())[:200]}", file=replies, flush=True)


def _load(module: str, input_name: str, output_name: str) -> Callable[[Any], Any]:
    import tensorflow as tf

    # The tags of a TF1 module's graph for inference are an empty set, which tf.saved_model.load refuses.
    tags: list[str] | None = [] if os.path.exists(os.path.join(module, _TF1_MODULE)) else None
    loaded = tf.compat.v1.saved_model.load_v2(module, tags=tags)
    if ":" in output_name:
        pruned = loaded.prune(input_name, output_name)
        return lambda batch: pruned(tf.constant(batch)).numpy()
    signature = loaded.signatures["serving_default"]
    return lambda batch: signature(**{input_name: tf.constant(batch)})[output_name].numpy()


if __name__ == "__main__":
    main(*sys.argv[1:])
