"""`--backend jax` and `ivbench zoo parity` through real processes, on a zoo of random weights."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("open_clip")
pytest.importorskip("jax")

from ivbench.results.files import read_results
from tests.run.processes import assert_one_line, ivbench, suite_file
from tests.run.tiny_zoo import CASCADE

RUN_AND_LIST = """
import sys
from ivbench.cli.main import main
code = main(sys.argv[1:])
print("LOADED", sorted({"torch", "jax", "transformers"} & set(sys.modules)))
sys.exit(code)
"""
GRID = {"grid": {"guidance": [2]}}
METRIC = {"metrics": [{"name": "clip_score", "extractor": "clip-probe"}]}


@pytest.fixture(scope="session")
def ran(shipped: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A store in which PyTorch has encoded the prompts and sampled, and JAX has run; what the first command said."""
    folder = tmp_path_factory.mktemp("jax")
    suite = ("--suite", suite_file(folder, **GRID, **METRIC))
    first = ivbench(shipped, folder, "sample", *suite, code=RUN_AND_LIST)
    done = ivbench(shipped, folder, "run", "--backend", "jax", "--no-timing", "--out", "out", *suite)
    assert (first.returncode, done.returncode) == (0, 0), first.stderr + done.stderr
    return folder, first.stdout


def test_a_run_in_jax_is_scored_and_says_what_it_ran_on(ran: tuple[Path, str]) -> None:
    out = ran[0] / "out"
    results = read_results(out / "results.json")
    assert [len(cell.scores) for cell in results.cells] == [1]
    here = results.environments[0]
    assert here.backend == "jax"
    assert {"jax", "jaxlib"} <= set(here.libraries)
    assert (out / "report.html").is_file()


def test_sampling_in_jax_with_embeddings_in_the_store_loads_no_torch(shipped: Path, ran: tuple[Path, str]) -> None:
    folder, of_torch = ran
    suite = suite_file(folder, grid={"guidance": [1]}, **METRIC)
    done = ivbench(shipped, folder, "sample", "--backend", "jax", "--suite", suite, code=RUN_AND_LIST)
    assert done.returncode == 0, done.stderr
    assert "6 entries of the store computed" in done.stdout  # three stages of two runs, and no embedding
    assert "LOADED ['jax']" in done.stdout
    assert "LOADED ['torch', 'transformers']" in of_torch  # the probe sees what is loaded


@pytest.mark.slow
def test_parity_of_a_cascade_as_table_and_file(shipped: Path, tmp_path: Path) -> None:
    arguments = ("zoo", "parity", CASCADE, "--prompts", "2", "--steps", "2", "--w", "1", "--out", "parity.json")
    done = ivbench(shipped, tmp_path, *arguments)
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "parity.json").read_text())
    assert [(check["stage"], check["what"].split(",")[0]) for check in found["checks"]] == [
        *((stage, what) for stage in ("base", "tsr1", "ssr1") for what in ("one evaluation", "whole run")),
        ("ssr1", "CLIP score [clip-probe]"),
    ]
    assert all(0 < check["found"] < check["high"] for check in found["checks"][:1])
    assert "differs" not in done.stdout
    assert found["steps"] == {"base": 2, "tsr1": 2, "ssr1": 2}


def test_what_jax_cannot_do_here_is_one_line(shipped: Path, tmp_path: Path) -> None:
    suite = suite_file(tmp_path)
    done = ivbench(shipped, tmp_path, "sample", "--backend", "jax", "--device", "cuda", "--suite", suite)
    assert_one_line(done, 'device "cuda" cannot be used by')
    done = ivbench(shipped, tmp_path, "sample", "--dtype", "float16", "--suite", suite)
    assert_one_line(done, "'float16' is not one of 'float32', 'bfloat16'")
