"""Ray by claim, on a local cluster of two nodes with fake GPUs: the same results, whatever is lost on the way."""

from __future__ import annotations

import logging
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

pytest.importorskip("ray")

import ray
from ray.cluster_utils import Cluster

from ivbench.errors import ConfigError, DigestError, ExecutorError, NonFiniteError
from ivbench.plan import Execution
from ivbench.results.store import Store
from ivbench.run import InlineExecutor, Resources, Silent
from ivbench.run.environment import describe_environment
from ivbench.run.executors.ray_executor import RayExecutor, room
from ivbench.run.executors.ray_worker import Order, RayWorker
from ivbench.run.units import Unit
from tests.run.far_toys import FarModels, FarStage, Toys, run_far
from tests.run.test_pipeline import plain
from tests.run.toys import toy_plan

ROOT = Path(__file__).parents[2]
THREADS = describe_environment(Execution()).threads
PLAN = toy_plan()
QUICK = Toys()
NODE: dict[str, Any] = {"num_cpus": THREADS, "num_gpus": 1, "object_store_memory": 80 * 2**20}
SOON = {
    "health_check_initial_delay_ms": 500,
    "health_check_period_ms": 500,
    "health_check_timeout_ms": 1000,
    "health_check_failure_threshold": 3,
}


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """A head and another node, each with a fake GPU and the threads of one worker."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("PYTHONPATH", str(ROOT))
        started = Cluster(
            initialize_head=True,
            head_node_args={**NODE, "include_dashboard": False, "_system_config": SOON},
        )
        started.add_node(**NODE)
        yield started
        started.shutdown()


@pytest.fixture(scope="module")
def inline(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the run gives without workers."""
    return plain(run_far(PLAN, tmp_path_factory.mktemp("inline"), InlineExecutor()).outcome.path)


@pytest.fixture(scope="module")
def joined(cluster: Cluster) -> Iterator[Cluster]:
    """The cluster, with this process connected to it from here on, as a notebook is."""
    ray.init(address=cluster.address, log_to_driver=False, logging_level=logging.ERROR)
    yield cluster
    ray.shutdown()


def workers(cluster: Cluster, **asked: Any) -> RayExecutor:
    return RayExecutor(
        Resources(**{"address": cluster.address, "cpus_per_worker": THREADS, "gpus_per_worker": 0.5, **asked})
    )


class Trouble(Silent):
    """Does something to the cluster while it works, once, after some units are done."""

    def __init__(self, cause: Callable[[], None], after: int = 3) -> None:
        super().__init__()
        self.cause, self.left = Thread(target=cause), after

    def advance(self, amount: float) -> None:
        self.left -= 1
        if self.left == 0:
            self.cause.start()


def folder(parent: Path, name: str) -> Path:
    (parent / name).mkdir()
    return parent / name


def at_work(pids: Path) -> int:
    """A process in the middle of a network evaluation."""
    for _ in range(10_000):
        for path in pids.iterdir():
            return int(path.name)
        time.sleep(0.002)
    raise AssertionError("nobody works")


def test_results_are_those_of_inline_on_two_nodes(cluster: Cluster, inline: dict[str, Any], tmp_path: Path) -> None:
    asked = folder(tmp_path, "asked")
    ran = run_far(PLAN, tmp_path, workers(cluster), Toys(asked=asked, delay=0.01))
    assert plain(ran.outcome.path) == inline
    assert ran.outcome.computed == len(Store(tmp_path / "store").ids())
    assert ran.models.toy.asked == []
    assert ran.models.loaded == []
    assert len({path.name.rpartition("-")[2] for path in asked.iterdir()}) == 2
    assert not list((tmp_path / "store" / "locks").glob("*.mark"))
    assert not ray.is_initialized()


def test_what_is_in_the_store_needs_no_cluster(cluster: Cluster, inline: dict[str, Any], tmp_path: Path) -> None:
    run_far(PLAN, tmp_path, InlineExecutor())
    again = run_far(PLAN, tmp_path, RayExecutor(Resources(address="nowhere:1")))
    assert again.outcome.computed == 0
    assert plain(again.outcome.path) == inline


def test_where_nothing_listens_one_line_says_how_to_start_a_cluster(tmp_path: Path) -> None:
    said = 'no Ray cluster can be joined at "127.0.0.1:1" .Connection refused.*ray start --head'
    with pytest.raises(ExecutorError, match=said):
        run_far(PLAN, tmp_path, RayExecutor(Resources(address="127.0.0.1:1")))


def test_where_something_else_listens_the_wait_has_an_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ivbench.run.executors.ray_executor._TRIAL", 2.0)
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = f"127.0.0.1:{other.getsockname()[1]}"
        with pytest.raises(ExecutorError, match=f'no Ray cluster can be joined at "{address}" .no answer in 2 s'):
            run_far(PLAN, tmp_path, RayExecutor(Resources(address=address)))


def test_an_address_of_ray_client_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"Ray Client.*on a node of the cluster"):
        run_far(PLAN, tmp_path, RayExecutor(Resources(address="ray://head:10001")))


def test_a_worker_killed_at_work_changes_nothing(joined: Cluster, inline: dict[str, Any], tmp_path: Path) -> None:
    pids = folder(tmp_path, "pids")
    trouble = Trouble(lambda: os.kill(at_work(pids), signal.SIGKILL))
    ran = run_far(PLAN, tmp_path, workers(joined), Toys(delay=0.05, pids=pids), trouble)
    assert plain(ran.outcome.path) == inline
    assert [line for line in ran.lines if "a worker was lost (" in line and "is done again" in line]


def test_a_unit_that_kills_its_workers_ends_the_run(joined: Cluster, tmp_path: Path) -> None:
    pids = folder(tmp_path, "pids")
    trouble = Trouble(lambda: os.kill(at_work(pids), signal.SIGKILL))
    executor = workers(joined, retries=0)
    with pytest.raises(ExecutorError, match=r"was tried 1 times.*the same command goes on from there"):
        run_far(PLAN, tmp_path, executor, Toys(delay=0.05, pids=pids), trouble)


def test_cells_that_are_not_finite_stop_for_the_reason_of_inline(joined: Cluster, tmp_path: Path) -> None:
    one = run_far(PLAN, folder(tmp_path, "a"), InlineExecutor(), Toys(breaks=True))
    two = run_far(PLAN, folder(tmp_path, "b"), workers(joined), Toys(breaks=True))
    assert set(one.outcome.problems) == {"guided"}
    assert plain(two.outcome.path) == plain(one.outcome.path)


def test_a_workers_error_ends_the_run_with_its_class_and_node(joined: Cluster, tmp_path: Path) -> None:
    with pytest.raises(NonFiniteError, match=f'on node {socket.gethostname()}: stage "ssr1".*weight w'):
        run_far(PLAN, tmp_path, workers(joined), Toys(wrong_weights="ssr1"))
    assert Store(tmp_path / "store").ids() == []
    assert ray.is_initialized()


def test_a_worker_for_which_there_is_no_room_is_refused(joined: Cluster, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no node has room for a worker of .* 4 GPUs; nodes have .* 1 GPUs"):
        run_far(PLAN, tmp_path, workers(joined, gpus_per_worker=4.0))


def test_a_process_that_is_in_one_cluster_joins_no_other(joined: Cluster, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=f"in the Ray cluster {joined.address} already, not in other:6379"):
        run_far(PLAN, tmp_path, RayExecutor(Resources(address="other:6379")))


@pytest.mark.slow
def test_a_node_that_goes_away_changes_nothing(joined: Cluster, inline: dict[str, Any], tmp_path: Path) -> None:
    """The last test of the joined: it has a node less afterwards."""
    lost = joined.worker_nodes.copy().pop()
    pids = folder(tmp_path, "pids")
    trouble = Trouble(lambda: joined.remove_node(lost, allow_graceful=False), after=4)
    ran = run_far(PLAN, tmp_path, workers(joined), Toys(delay=0.1, pids=pids), trouble)
    assert plain(ran.outcome.path) == inline
    assert lost not in joined.worker_nodes
    assert [line for line in ran.lines if "a worker was lost (" in line], "it must go away with work in its hands"


def order(folder: Path, toys: Toys = QUICK) -> Order:
    return Order(PLAN, folder, "locks/run.mark", FarModels(PLAN.source.spec, toys))


def test_a_worker_that_does_not_see_the_store_says_so(tmp_path: Path) -> None:
    error = RayWorker(order(tmp_path / "elsewhere")).ready().error
    assert str(error) == (
        f"on node {socket.gethostname()}: {tmp_path / 'elsewhere'} is not the store that the run has. Give a folder "
        "that all nodes share: --store"
    )


def test_a_worker_whose_zoo_differs_says_so(tmp_path: Path) -> None:
    (tmp_path / "locks").mkdir()
    (tmp_path / "locks" / "run.mark").touch()
    assert RayWorker(order(tmp_path)).ready().error is None
    error = RayWorker(order(tmp_path, Toys(differs=True))).ready().error
    assert isinstance(error, DigestError)
    assert str(error).startswith(f'on node {socket.gethostname()}: "toy" is not the one of the plan')


def test_batches_that_do_not_fit_are_made_smaller(tmp_path: Path) -> None:
    """Three videos fit; then as many as are allowed."""
    toys, sizes = Toys(rows=3), []
    worker = RayWorker(order(tmp_path, toys))
    first = PLAN.sample[0]

    class Seen(FarStage):
        def conditional(self, z: Any, logsnr: float) -> Any:
            found = super().conditional(z, logsnr)
            sizes.append(len(z))
            return found

    stage = Seen(PLAN.source.spec.stages[0], False, (MemoryError,))
    stage.toys = toys
    worker._worker.job.models.toy.stage_model = lambda name: stage
    unit = Unit("sample", first.id, ("stage", "original", first.stage))
    answer = worker.do(unit, None)
    assert answer.error is None
    assert set(sizes) == {2}
    assert sum(sizes) == 2 * len(first.prompts)
    sizes.clear()
    Store(tmp_path).remove(first.id)
    assert worker.do(unit, 1).error is None
    assert set(sizes) == {1}


def test_a_unit_that_fits_no_memory_alone_says_what_to_do(tmp_path: Path) -> None:
    class Never(FarModels):
        def stage_model(self, weights: str, stage: str) -> Any:
            raise MemoryError

        def __reduce__(self) -> Any:
            return Never, (self.spec, self.toys)

    worker = RayWorker(Order(PLAN, tmp_path, "", Never(PLAN.source.spec, Toys())))
    error = worker.do(Unit("load", "load", ("stage", "original", "base")), None).error
    assert isinstance(error, ExecutorError)
    assert "load (stage base) does not fit the memory of a worker" in str(error)


@pytest.mark.parametrize(
    ("nodes", "cpus", "gpus", "count"),
    [
        ([{"CPU": 8.0}], 1, 0.0, 8),
        ([{"CPU": 8.0}, {"CPU": 3.0}], 2, 0.0, 5),
        ([{"CPU": 8.0, "GPU": 2.0}, {"CPU": 64.0}], 1, 1.0, 2),
        ([{"CPU": 8.0, "GPU": 1.0}, {"CPU": 8.0, "GPU": 1.0}], 1, 0.3, 6),
        ([{"CPU": 1.0, "GPU": 1.0}], 1, 0.1, 1),
        ([{"CPU": 16.0, "GPU": 8.0}], 1, 2.0, 4),
    ],
)
def test_there_are_as_many_workers_as_nodes_have_room_for(
    nodes: list[dict[str, float]], cpus: int, gpus: float, count: int
) -> None:
    assert room(nodes, cpus, gpus) == count


def test_a_device_with_a_number_is_refused(tmp_path: Path) -> None:
    models = FarModels(PLAN.source.spec, Toys())
    models.device = "cuda:1"
    with pytest.raises(ConfigError, match=r"--device cuda:1 names one GPU.*--device cuda"):
        RayExecutor()._gpus(models.device)
