"""Write the FVD of google-research's frechet_video_distance.py to tests/golden/google.json; needs TensorFlow.

python tests/tfhub/freeze.py FILE      FILE is that source, as it is; tensorflow-gan is needed too
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import json
import sys
import types
from importlib.metadata import version
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

import tensorflow as tf

from tests.tfhub import tiny

v1 = tf.compat.v1


class _Module:
    """tensorflow-hub's Module of TensorFlow 1, which today's lacks: the graph under the name, applied to an input."""

    def __init__(self, _spec: str, name: str) -> None:
        self._name = name

    def __call__(self, inputs: Any) -> None:
        with v1.name_scope(f"{self._name}_apply_default/"), v1.variable_scope("", reuse=v1.AUTO_REUSE):
            tiny.graph(inputs)


def _distance_alone() -> None:
    """tensorflow-gan with its eval.frechet_classifier_distance_from_activations; the rest needs tf.estimator."""
    folder = Path(importlib.util.find_spec("tensorflow_gan").submodule_search_locations[0])  # type: ignore[union-attr,index]
    for name in ("tensorflow_gan", "tensorflow_gan.python", "tensorflow_gan.python.eval"):
        package = types.ModuleType(name)
        package.__path__ = [str(folder.joinpath(*name.split(".")[1:]))]
        sys.modules[name] = package
    metrics = importlib.import_module("tensorflow_gan.python.eval.classifier_metrics")
    sys.modules["tensorflow_gan"].eval = metrics  # type: ignore[attr-defined]


def main(source: Path) -> None:
    """Run it whole: resize, scale, embedding in batches of 16, distance."""
    sys.modules["tensorflow_hub"] = types.SimpleNamespace(Module=_Module)  # type: ignore[assignment]
    _distance_alone()
    sys.modules["tensorflow"] = v1
    spec = importlib.util.spec_from_file_location("frechet_video_distance", source)
    code = importlib.util.module_from_spec(spec)  # type: ignore[arg-type]
    spec.loader.exec_module(code)  # type: ignore[union-attr]
    sides = tiny.videos()
    with tf.Graph().as_default(), v1.Session() as session:
        embedded = {}
        for side, videos in sides.items():
            # a batch has one size: each video is resized by itself, as batches of one are
            resized = [code.preprocess(v1.constant(video[None]), (224, 224)) for video in videos]
            embedded[side] = code.create_id3_embedding(tf.concat(resized, 0))
        distance = code.calculate_fvd(embedded["reference"], embedded["generated"])
        session.run([v1.global_variables_initializer(), v1.tables_initializer()])
        value = float(session.run(distance))
    record = {
        "command": "python tests/tfhub/freeze.py frechet_video_distance.py",
        "source": {
            "google-research/frechet_video_distance/frechet_video_distance.py": hashlib.sha256(
                source.read_bytes()
            ).hexdigest(),
            **{name: version(name) for name in ("tensorflow", "tensorflow-gan", "numpy")},
        },
        "values": {"google-fvd": value},
    }
    (tiny.GOLDEN / "google.json").write_text(json.dumps(record, indent=2, sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
