"""Stands in for the process of TensorFlow: the same lines, the tiny network in NumPy."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import numpy as np
import tiny

module, input_name, output_name = sys.argv[1:]
assert (Path(module) / "tfhub_module.pb").is_file()
assert (input_name, output_name) == ("input_frames:0", tiny.OUTPUT)
print("ready", flush=True)
for line in sys.stdin:
    source, _, place = line.rstrip("\n").partition("\t")
    clips = np.load(source)
    if clips.shape[1] > 100:
        print("error\tResourceExhaustedError\tOOM when allocating", flush=True)
        break
    with open(place, "wb") as file:
        np.save(file, tiny.features(clips))
    print("done", flush=True)
