"""Joining a Ray cluster, or starting one."""

from __future__ import annotations

import gc
import logging
import os
import stat
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from raytabdl.exceptions import ClusterError

# Read by Ray when it is imported or initialised. Token authentication is on by default only where ray.init()
# starts the cluster itself, and an explicit address then fails without it.
_ENVIRONMENT = {
    "RAY_AUTH_MODE": "token",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AIR_NEW_OUTPUT": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # runtime.interrupt has its own, for SIGTERM as well
    "TUNE_WARN_INSUFFICENT_RESOURCE_THRESHOLD_S": "60",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}


@dataclass(frozen=True)
class Cluster:
    """A Ray that raytabdl uses; it is its own where raytabdl started it and will end it."""

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


class Connection:
    """A cluster that is being joined or started in a thread of its own, which also ends it.

    Linux ends Ray's processes with the thread that started them, so that thread lives as long as they do.
    """

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

    def cluster(self) -> Cluster:
        """Waits for the cluster. Raises ClusterError where it cannot be reached."""
        self._is_settled.wait()
        if self._error is not None:
            raise self._error
        assert self._cluster is not None
        return self._cluster

    def close(self) -> None:
        """Begins to end the cluster where it is ours; ``join`` waits for it."""
        if not self._is_over.is_set():
            # Tune leaves references in cycles. One that is freed while Ray ends in its thread ends the process.
            gc.collect()
        self._is_over.set()

    def join(self) -> None:
        self._thread.join()

    def _run(self) -> None:
        import ray

        try:
            # The search's own imports take a second. They are done here, beside the quick models, and not beside
            # ray.init: two threads that import parts of Ray at once may each see the other's half.
            import raytabdl.runtime.tune  # noqa: F401

            self._cluster = connect(self._n_cpus, dashboard=self._dashboard)
        except BaseException as error:  # noqa: BLE001  # raised again in the thread that waits for the cluster
            self._error = error
        self._is_settled.set()
        self._is_over.wait()
        if self._cluster is not None and self._cluster.is_own:
            ray.shutdown()


def prepare_environment() -> None:
    """Sets what Ray reads from the environment, where the user has not."""
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)


def connect(n_cpus: int | None = None, *, dashboard: bool = False) -> Cluster:
    """Uses the Ray that runs in this process, joins the one that RAY_ADDRESS names, or starts a local one.

    ``n_cpus`` bounds a local one. Raises ClusterError where the named cluster cannot be reached.
    """
    prepare_environment()
    import ray

    is_own = False
    if not ray.is_initialized():
        address = os.environ.get("RAY_ADDRESS")
        options: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
        if address:
            options["address"] = address
        else:
            # Without "local" Ray would join any cluster that it finds on this machine.
            options |= {"address": "local", "num_cpus": n_cpus, "include_dashboard": dashboard}
            is_own = True
        try:
            ray.init(**options)
        except ray.exceptions.AuthenticationError as error:
            raise ClusterError(
                f"the Ray cluster at {address or 'this machine'} refuses the token: set RAY_AUTH_TOKEN, or put the "
                f"cluster's token into ~/.ray/auth_token ({error})"
            ) from error
        except ConnectionError as error:
            raise ClusterError(
                f"no Ray cluster at {address!r}: start one with `ray start --head`, or unset RAY_ADDRESS; if one runs, "
                f"set RAY_AUTH_MODE=token before ray is imported ({error})"
            ) from error
        _close_token_file()
    resources = ray.cluster_resources()
    context = ray.get_runtime_context()
    return Cluster(
        is_own,
        int(resources.get("CPU", 0)),
        int(resources.get("GPU", 0)),
        sum(bool(node["Alive"]) for node in ray.nodes()),
        context.gcs_address,
        str(ray._private.worker.get_dashboard_url() or ""),
    )


def _close_token_file() -> None:
    """Ray writes its token readable by everybody."""
    token = Path.home() / ".ray" / "auth_token"
    if token.exists() and stat.S_IMODE(token.stat().st_mode) & 0o077:
        token.chmod(0o600)
