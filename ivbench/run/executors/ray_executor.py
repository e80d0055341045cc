"""Ray: units done by workers on this machine's cores and GPUs, or on those of a cluster."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import subprocess
import sys
import uuid
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import ray

from ivbench.errors import ConfigError, ExecutorError, StoreError
from ivbench.run.executors.base import Heard, Resources, Wanted
from ivbench.run.executors.dispatch import Dispatcher
from ivbench.run.executors.ray_pool import RayPool
from ivbench.run.executors.ray_worker import Order
from ivbench.run.job import Job
from ivbench.run.units import Done, Unit
from ivbench.run.worker import Worker

__all__ = ["RayExecutor", "connect", "room"]

RETRIES = 3
_OBJECT_STORE = 80 * 2**20
"""Bytes of Ray's own memory on a machine that it is started on: what travels is names."""
_TRIAL = 30.0
"""Seconds in which a cluster has to answer."""
_PASSED_ON = ("HF_HUB_OFFLINE", "IVBENCH_ZOO")
_QUIET = {"log_to_driver": False, "logging_level": logging.ERROR}


class RayExecutor:
    """Runs units on Ray actors that keep what they have loaded.

    It connects, and starts workers, when there is the first unit to do.

    Args:
        resources: by default as many workers as there is room for, each with one CPU, and with one GPU where the
            device is cuda; on this machine alone unless an address is given, or in $RAY_ADDRESS.
    """

    def __init__(self, resources: Resources = Resources()) -> None:  # noqa: B008 - frozen
        self._resources = resources
        self._cpus = resources.cpus_per_worker or 1
        self._ended = contextlib.ExitStack()
        self._job: Job | None = None
        self._dispatcher: Dispatcher | None = None

    def run(self, worker: Worker, units: Sequence[Unit], wanted: Wanted, heard: Heard) -> None:
        """Do units, as the protocol says.

        Raises:
            ConfigError: no node has room for a worker, or the device names one of several GPUs.
            ExecutorError: there is no cluster at the address, or workers are lost too often.
            StoreError: a worker's node does not see the store.
        """
        job = worker.job

        def heard_here(unit: Unit, done: Done) -> None:
            job.computed += done.computed
            for line in done.lines:
                job.reporter.say(line)
            heard(unit, done)

        if self._dispatcher is None or self._job is not job:
            self.close()
            self._dispatcher, self._job = self._opened(job), job
        self._dispatcher.run(units, wanted, heard_here)

    def close(self) -> None:
        """End the workers, and the connection."""
        self._dispatcher = self._job = None
        self._ended.close()

    def _opened(self, job: Job) -> Dispatcher:
        gpus = self._gpus(job.models.device)
        if connect(self._resources, self._cpus):
            self._ended.callback(ray.shutdown)
        fits = room((node["Resources"] for node in ray.nodes() if node["Alive"]), self._cpus, gpus)
        order = Order(job.plan, job.store.root.resolve(), self._marked(job.store.root), job.models)
        pool = RayPool(order, self._cpus, gpus, _environment(self._cpus))
        self._ended.callback(pool.close)
        retries = RETRIES if self._resources.retries is None else self._resources.retries
        return Dispatcher(pool, self._resources.workers or fits, retries, job.reporter.say)

    def _gpus(self, device: str) -> float:
        kind, _, number = device.partition(":")
        if number:
            raise ConfigError(f"--device {device} names one GPU, and Ray chooses each worker's. Use: --device {kind}")
        asked = self._resources.gpus_per_worker
        return float(kind == "cuda") if asked is None else asked

    def _marked(self, root: Path) -> str:
        """Put a file into the store by which workers know it, until `close`."""
        mark = root / "locks" / f"run-{uuid.uuid4().hex}.mark"
        try:
            mark.parent.mkdir(parents=True, exist_ok=True)
            mark.touch()
        except OSError as error:
            raise StoreError(f"{mark} can't be written: {error.strerror or error}. Choose another store.") from error
        self._ended.callback(mark.unlink, missing_ok=True)
        return str(mark.relative_to(root))


def connect(resources: Resources, cpus: int) -> bool:
    """Connect this process to a cluster, or start one on this machine.

    Args:
        resources: address, and the number of workers that a cluster of our own is made for.
        cpus: of each worker.

    Returns:
        Whether it was not connected before, so that the caller ends it.

    Raises:
        ExecutorError: nothing answers at the address as a cluster does.
    """
    if ray.is_initialized():
        joined = ray.get_runtime_context().gcs_address
        if resources.address not in (None, "auto", joined):
            raise ConfigError(f"this process is in the Ray cluster {joined} already, not in {resources.address}.")
        return False
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    address = resources.address or os.environ.get("RAY_ADDRESS") or "local"
    if address != "local":
        _require_answer(address)
        ray.init(address=address, **_QUIET)
        return True
    cores = None if resources.workers is None else resources.workers * cpus
    ray.init(address="local", num_cpus=cores, object_store_memory=_OBJECT_STORE, include_dashboard=False, **_QUIET)
    return True


def room(nodes: Iterable[Mapping[str, float]], cpus: int, gpus: float) -> int:
    """How many workers nodes have room for.

    Args:
        nodes: the resources of each node, by Ray's names.
        cpus, gpus: of a worker.

    Raises:
        ConfigError: not for one; says what the nodes have.
    """
    nodes = list(nodes)
    most = [min(_times(node.get("CPU", 0.0), cpus), _times(node.get("GPU", 0.0), gpus)) for node in nodes]
    if not sum(most):
        has = ", ".join(sorted({f"{node.get('CPU', 0):g} CPUs and {node.get('GPU', 0):g} GPUs" for node in nodes}))
        raise ConfigError(
            f"no node has room for a worker of {cpus} CPUs and {gpus:g} GPUs; nodes have {has}. Choose other "
            "--cpus-per-worker and --gpus-per-worker, or add nodes."
        )
    return sum(most)


def _times(has: float, needs: float) -> int:
    return int(has / needs + 1e-9) if needs else sys.maxsize


def _environment(cpus: int) -> dict[str, str]:
    """Of the workers' processes."""
    passed = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    return {**passed, "OMP_NUM_THREADS": str(cpus)}


def _require_answer(address: str) -> None:
    """Try the address in a process of its own: at a wrong one Ray waits for minutes, then ends its process."""
    if address.startswith("ray://"):
        raise ConfigError(f"{address} is for Ray Client. Run this on a node of the cluster, with --address auto.")
    why = _refused(address) or _without_answer(address)
    if why:
        raise ExecutorError(
            f'no Ray cluster can be joined at "{address}" ({why}). Start one with: ray start --head; or leave '
            "--address out to use this machine alone."
        )


def _refused(address: str) -> str:
    """Why nothing listens at HOST:PORT; empty where something does, and for other addresses."""
    host, _, port = address.rpartition(":")
    if not (host and port.isdigit()):
        return ""
    try:
        with socket.create_connection((host, int(port)), timeout=_TRIAL):
            return ""
    except (OSError, OverflowError) as error:
        return str(getattr(error, "strerror", None) or error)


def _without_answer(address: str) -> str:
    """Why Ray cannot connect; empty where it can."""
    code = "import sys, ray; ray.init(address=sys.argv[1], log_to_driver=False)"
    try:
        done = subprocess.run(
            [sys.executable, "-c", code, address], capture_output=True, text=True, timeout=_TRIAL, check=False
        )
    except subprocess.TimeoutExpired:
        return f"no answer in {_TRIAL:g} s"
    last = done.stderr.strip().splitlines()[-1:] or [f"exit code {done.returncode}"]
    return last[0] if done.returncode else ""
