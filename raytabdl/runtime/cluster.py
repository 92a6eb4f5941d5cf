"""Joining a Ray cluster, or starting one."""

from __future__ import annotations

import gc
import logging
import os
import socket
import stat
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from raytabdl.exceptions import ClusterError
from raytabdl.runtime.cores import n_ray_cpus

# Read by Ray when it is imported or initialised.
_ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AIR_NEW_OUTPUT": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # runtime.interrupt has its own, for SIGTERM as well
    "TUNE_WARN_INSUFFICENT_RESOURCE_THRESHOLD_S": "60",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}

WAIT_SECONDS = 0.2
"""Between two looks at whether Ray's start is still waited for."""

HEAD_SECONDS = 1.0
"""How long the head of a cluster that was started on this machine may take to accept a connection."""


@dataclass(frozen=True)
class Cluster:
    """A Ray that raytabdl uses; it is its own where raytabdl started it and will end it, once nobody uses it."""

    is_own: bool
    n_cpus: int
    n_gpus: int
    n_nodes: int
    address: str
    dashboard_url: str

    def __str__(self) -> str:
        kind = "started" if self.is_own else "joined"
        board = f", dashboard http://{self.dashboard_url}" if self.dashboard_url else ""
        return f"Ray {kind} ({self.address}): {self.n_nodes} node(s), {self.n_cpus} CPUs, {self.n_gpus} GPUs{board}"


class _OwnRay:
    """A Ray of this process that raytabdl has started, and how many use it.

    Linux ends Ray's processes with the thread that started them, so that is a thread of its own.
    """

    def __init__(self, options: dict[str, Any]) -> None:
        self.n_users = 1
        self._started: Future[None] = Future()
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(options,), name="raytabdl-ray", daemon=True)
        self._thread.start()
        try:
            self._started.result()
        except BaseException:
            self._is_over.set()  # Ctrl-C, while it started
            raise

    def end(self) -> None:
        self._is_over.set()
        self._thread.join()

    def _run(self, options: dict[str, Any]) -> None:
        import ray

        try:
            ray.init(**options)
        except BaseException as error:  # noqa: BLE001  # raised again in the thread that waits for the start
            self._started.set_exception(error)
            return
        self._started.set_result(None)
        self._is_over.wait()
        ray.shutdown()


@dataclass
class _Process:
    """What the fits of all threads share: at most one Ray that was started, by one at a time."""

    lock: threading.Lock
    own: _OwnRay | None = None


_PROCESS = _Process(threading.Lock())


class Connection:
    """A cluster that is being joined or started in a thread of its own, which also leaves it."""

    def __init__(self, n_cpus: int | None = None, *, dashboard: bool = False) -> None:
        self._n_cpus = n_cpus
        self._dashboard = dashboard
        self._is_settled = threading.Event()
        self._is_over = threading.Event()
        self._cluster: Cluster | None = None
        self._error: BaseException | None = None
        prepare_environment()
        self._thread = threading.Thread(target=self._run, name="raytabdl-cluster", daemon=True)
        self._thread.start()

    @property
    def is_settled(self) -> bool:
        """Whether the cluster is there, or failed to come."""
        return self._is_settled.is_set()

    def cluster(self, is_over: Callable[[], bool] = lambda: False) -> Cluster | None:
        """Waits for the cluster; None where the wait is over before. Raises ClusterError where it cannot be reached."""
        while not self._is_settled.wait(WAIT_SECONDS):
            if is_over():
                return None
        if self._error is not None:
            raise self._error
        assert self._cluster is not None
        return self._cluster

    def close(self) -> None:
        """Begins to leave the cluster, which ends it where it is ours alone; ``join`` waits for it."""
        if not self._is_over.is_set():
            # Tune leaves references in cycles. One that is freed while Ray ends in its thread ends the process.
            gc.collect()
        self._is_over.set()

    def join(self) -> None:
        self._thread.join()

    def _run(self) -> None:
        try:
            self._cluster = connect(self._n_cpus, dashboard=self._dashboard)
            with _PROCESS.lock:
                # The search's own imports take seconds. They are done here, beside the quick models, and not beside
                # ray.init, which mostly waits: two threads that import parts of Ray at once may each see half of it.
                import raytabdl.runtime.tune  # noqa: F401
        except BaseException as error:  # noqa: BLE001  # raised again in the thread that waits for the cluster
            self._error = error
        self._is_settled.set()
        self._is_over.wait()
        if self._cluster is not None:
            leave(self._cluster)


def prepare_environment() -> None:
    """Sets what Ray reads from the environment, where the user has not."""
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    # Ray turns token authentication on by itself where it starts a cluster. Where it joins one by its address it does
    # not, and a cluster with a token then refuses it; one without can be joined only while there is none here either.
    has_token = os.environ.get("RAY_AUTH_TOKEN") or os.environ.get("RAY_AUTH_TOKEN_PATH") or token_file().exists()
    if has_token and "RAY_AUTH_MODE" not in os.environ:
        os.environ["RAY_AUTH_MODE"] = "token"
        if "ray" in sys.modules:
            _have_ray_read_it()


def _have_ray_read_it() -> None:
    """Ray reads its environment when it is imported; else what it starts would have a token, and this process none."""
    import ray
    from ray._raylet import Config  # type: ignore[attr-defined]

    if not ray.is_initialized():
        Config.initialize("")


def connect(n_cpus: int | None = None, *, dashboard: bool = False) -> Cluster:
    """Uses the Ray that runs in this process, joins one, or starts a local one; ``leave`` ends what was started.

    Joined is the cluster that RAY_ADDRESS names, or without it the one that the user's ``ray start`` made of this
    machine, where it runs; RAY_ADDRESS=local joins none. A local one has ``n_cpus``, or else what this process may use,
    also for those who come while it runs. Raises ClusterError where the cluster cannot be reached.
    """
    prepare_environment()
    with _PROCESS.lock:
        import ray

        if not ray.is_initialized():
            _PROCESS.own = _join_or_start(n_cpus, dashboard)
            _close_token_file()
        elif _PROCESS.own is not None:
            _PROCESS.own.n_users += 1
        resources = ray.cluster_resources()
        context = ray.get_runtime_context()
        return Cluster(
            is_own=_PROCESS.own is not None,
            n_cpus=int(resources.get("CPU", 0)),
            n_gpus=int(resources.get("GPU", 0)),
            n_nodes=sum(bool(node["Alive"]) for node in ray.nodes()),
            address=context.gcs_address,
            dashboard_url=str(ray._private.worker.get_dashboard_url() or ""),
        )


def leave(cluster: Cluster) -> None:
    """Ends a Ray that raytabdl started, once all have left who use it in this process; one that was joined goes on."""
    with _PROCESS.lock:
        own = _PROCESS.own
        if not cluster.is_own or own is None:
            return
        own.n_users -= 1
        if own.n_users == 0:
            _PROCESS.own = None
            own.end()


@contextmanager
def connected(n_cpus: int | None = None) -> Iterator[Cluster]:
    """The cluster of ``connect``, which is left with the block."""
    cluster = connect(n_cpus)
    try:
        yield cluster
    finally:
        leave(cluster)


def _join_or_start(n_cpus: int | None, dashboard: bool) -> _OwnRay | None:
    """The Ray that was started, or None where one was joined."""
    import ray

    address = os.environ.get("RAY_ADDRESS") or running_here() or "local"
    options: dict[str, Any] = {"address": address, "log_to_driver": False, "logging_level": logging.ERROR}
    try:
        if address == "local":
            logging.getLogger("ray").setLevel(logging.ERROR)  # as ``init`` does: it says how it rounds a quota
            return _OwnRay({**options, "num_cpus": n_cpus or n_ray_cpus(), "include_dashboard": dashboard})
        ray.init(**options)
        return None
    except ray.exceptions.AuthenticationError as error:
        raise ClusterError(
            f"the Ray cluster at {address} refuses the token: set RAY_AUTH_TOKEN, or put the "
            f"cluster's token into ~/.ray/auth_token ({error})"
        ) from error
    except ConnectionError as error:
        raise ClusterError(
            f"no Ray cluster at {address!r}: start one with `ray start --head`, or set RAY_ADDRESS=local; if one "
            f"runs, set RAY_AUTH_MODE=token before ray is imported ({error})"
        ) from error
    except RuntimeError as error:
        if "Version mismatch" not in str(error):
            raise
        raise ClusterError(
            f"the Ray cluster at {address} has other versions than this process, install those it has: {error}"
        ) from error


def running_here() -> str | None:
    """The address of the cluster that the user's ``ray start`` made of this machine, where it still runs.

    ``ray.init()`` goes by the file that ``ray start`` leaves, also after a crash, and by whoever has left it; then it
    fails. So the file counts only where it is the user's own, a raylet here belongs to that cluster, and its head
    answers.
    """
    from ray._common.utils import get_ray_address_file
    from ray._private.services import find_gcs_addresses

    file = Path(get_ray_address_file(None))
    if not file.exists() or file.stat().st_uid != os.getuid():
        return None
    address = file.read_text(encoding="utf-8").strip()
    return address if address in find_gcs_addresses() and head_answers(address) else None


def head_answers(address: str) -> bool:
    """Whether something accepts connections at ``host:port``."""
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=HEAD_SECONDS):
            return True
    except (OSError, ValueError):  # ValueError: the port is no number
        return False


def token_file() -> Path:
    """Where Ray keeps the token of the user's clusters."""
    return Path.home() / ".ray" / "auth_token"


def _close_token_file() -> None:
    """Ray writes its token readable by everybody."""
    token = token_file()
    if token.exists() and stat.S_IMODE(token.stat().st_mode) & 0o077:
        token.chmod(0o600)
