"""What Ray would find on this machine, and what of it would stop or hamper a fit."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

from raytabdl.runtime.cluster import head_answers, prepare_environment, running_here, token_file
from raytabdl.runtime.cores import n_ray_cpus
from raytabdl.versions import PACKAGES, installed

GIB = 2**30

LEAST_MEMORY = GIB
"""Ray's daemons and one worker need about this; a measured worker has 0.45 GiB, the daemons together 0.43."""

WORKER_MEMORY = GIB // 2

LEAST_DISK = GIB // 4
FULL_DISK = 0.95
"""From this share on Ray writes no objects to the disk."""


@dataclass(frozen=True)
class Listener:
    """A process of Ray that accepts connections; it is protected where its environment asks for the token."""

    process: str
    address: str
    port: int
    is_protected: bool

    @property
    def is_open(self) -> bool:
        """Whether other machines reach it."""
        return not (self.address.startswith("127.") or self.address == "::1")


@dataclass(frozen=True)
class Machine:
    """What a fit would start from; sizes in bytes, ``token_mode`` in the form of chmod."""

    cpus: int
    host_cpus: int
    memory: int
    host_memory: int
    available_memory: int
    shared_memory: int | None
    temporary_folder: str
    disk: int
    disk_used: float
    gpus: int
    cluster: str | None
    cluster_answers: bool
    token: str | None
    token_mode: str | None
    listeners: tuple[Listener, ...]
    versions: Mapping[str, str]
    unmet: tuple[str, ...]


@dataclass(frozen=True)
class Problem:
    """Something that is not as it should be, and how to mend it."""

    what: str
    mend: str
    stops_a_fit: bool = False


def examine() -> Machine:
    """Looks at this machine; starts nothing and changes nothing."""
    prepare_environment()
    import ray  # noqa: F401  # brings psutil, which `_host_memory` imports
    from ray._common.utils import get_system_memory
    from ray._private.accelerators import NvidiaGPUAcceleratorManager
    from ray._private.utils import get_used_memory

    temporary = tempfile.gettempdir()
    disk = shutil.disk_usage(temporary)
    host_memory, host_available = _host_memory()
    memory = int(get_system_memory())
    cluster = os.environ.get("RAY_ADDRESS") or running_here()
    if cluster == "local":
        cluster = None
    token = token_file()
    return Machine(
        cpus=n_ray_cpus(),
        host_cpus=os.cpu_count() or 1,
        memory=memory,
        host_memory=host_memory,
        available_memory=min(host_available, memory - int(get_used_memory())),  # less than what may be freed is used
        shared_memory=_free("/dev/shm"),
        temporary_folder=temporary,
        disk=disk.free,
        disk_used=1 - disk.free / disk.total,
        gpus=int(NvidiaGPUAcceleratorManager.get_current_node_num_accelerators()),
        cluster=cluster,
        cluster_answers=cluster is not None and (cluster == "auto" or head_answers(cluster.rpartition("://")[2])),
        token=str(token) if token.exists() else None,
        token_mode=f"{stat.S_IMODE(token.stat().st_mode):04o}" if token.exists() else None,
        listeners=_listeners(),
        versions=installed(("raytabdl", *PACKAGES)),
        unmet=_unmet(),
    )


def problems(machine: Machine) -> tuple[Problem, ...]:
    """What is wrong with a machine, what stops a fit first."""
    found = [*_of_packages(machine), *_of_resources(machine), *_of_the_cluster(machine)]
    return tuple(sorted(found, key=lambda problem: not problem.stops_a_fit))


def _of_packages(machine: Machine) -> list[Problem]:
    found = [
        Problem(f"{need} is needed, which is not what is installed", f"pip install '{need}'", stops_a_fit=True)
        for need in machine.unmet
    ]
    if machine.gpus and machine.versions.get("torch", "").endswith("+cpu"):
        what = f"there are {machine.gpus} GPUs, but torch {machine.versions['torch']} is built for CPUs"
        found.append(Problem(what, "install a CUDA build of torch (https://pytorch.org)"))
    return found


def _of_resources(machine: Machine) -> list[Problem]:
    found = []
    if machine.available_memory < LEAST_MEMORY:
        what = f"{gib(machine.available_memory)} of memory are left; Ray and one worker need {gib(LEAST_MEMORY)}"
        found.append(Problem(what, "end other programs, or raise the container's memory limit", stops_a_fit=True))
    elif machine.available_memory < (room := LEAST_MEMORY + (machine.cpus - 1) * WORKER_MEMORY):
        n_workers = 1 + (machine.available_memory - LEAST_MEMORY) // WORKER_MEMORY
        what = f"{gib(machine.available_memory)} of memory are left; a worker for each CPU needs {gib(room)}"
        found.append(Problem(what, f"fit with n_workers={n_workers}, or raise the container's memory limit"))
    # Ray's own share of the memory for its objects.
    if machine.shared_memory is not None and machine.shared_memory < 0.3 * machine.memory:
        what = f"/dev/shm has {gib(machine.shared_memory)}; Ray then keeps tables on the disk, which is slow"
        found.append(Problem(what, f"start the container with --shm-size={max(1, round(0.3 * machine.memory / GIB))}g"))
    mend = f"free some space in {machine.temporary_folder}, or set TMPDIR and RAY_TMPDIR to another disk"
    if machine.disk < LEAST_DISK:
        what = f"{machine.temporary_folder} has {gib(machine.disk)} left, which Ray's files do not fit in"
        found.append(Problem(what, mend, stops_a_fit=True))
    elif machine.disk_used > FULL_DISK:
        what = f"the disk of {machine.temporary_folder} is {machine.disk_used:.0%} full: Ray puts no objects there"
        found.append(Problem(what, mend))
    return found


def _of_the_cluster(machine: Machine) -> list[Problem]:
    found = []
    if machine.cluster is not None and not machine.cluster_answers:
        what = f"no Ray answers at {machine.cluster}, which RAY_ADDRESS names"
        mend = "start it (ray start --head), or set RAY_ADDRESS=local"
        found.append(Problem(what, mend, stops_a_fit=True))
    if machine.token_mode is not None and int(machine.token_mode, 8) & 0o077:
        what = f"the token of Ray can be read by others: {machine.token} has mode {machine.token_mode}"
        found.append(Problem(what, f"chmod 600 {machine.token}"))
    if bare := [listener for listener in machine.listeners if listener.is_open and not listener.is_protected]:
        ports = ", ".join(f"{listener.port} ({listener.process})" for listener in bare)
        what = f"processes of Ray listen to other machines without asking for a token, on the ports {ports}"
        found.append(Problem(what, "end that Ray, and start it with RAY_AUTH_MODE=token, or close the ports"))
    return found


def gib(size: float) -> str:
    """
    >>> gib(1.5 * 2**30)
    '1.50 GiB'
    """
    return f"{size / GIB:.3g} GiB" if size >= 100 * GIB else f"{size / GIB:.2f} GiB"


def _host_memory() -> tuple[int, int]:
    """What the host has, and what of it is available, in bytes."""
    import psutil

    memory = psutil.virtual_memory()
    return int(memory.total), int(memory.available)


def _free(folder: str) -> int | None:
    return shutil.disk_usage(folder).free if Path(folder).is_dir() else None


def _unmet() -> tuple[str, ...]:
    """The requirements of the package that what is installed does not meet."""
    try:
        needs = [Requirement(text) for text in requires("raytabdl") or ()]
    except PackageNotFoundError:
        return ()  # run from a folder of its source, which has no metadata
    core = [need for need in needs if need.marker is None or need.marker.evaluate({"extra": ""})]
    versions = installed(tuple(need.name for need in core))
    return tuple(
        f"{need.name}{need.specifier}"
        for need in core
        if need.name not in versions or not need.specifier.contains(versions[need.name], prereleases=True)
    )


def _listeners() -> tuple[Listener, ...]:
    """The ports of the user's own processes of Ray; those of others the system does not tell."""
    import psutil

    found = []
    for connection in psutil.net_connections("tcp"):
        if connection.status != psutil.CONN_LISTEN or connection.pid is None:
            continue
        try:
            process = psutil.Process(connection.pid)
            command = process.cmdline()
            if not _is_of_ray(command):
                continue
            name, is_protected = process.name(), _asks_for_the_token(process)
        except psutil.Error:
            continue  # it has ended, or is another user's
        found.append(Listener(name, connection.laddr.ip, connection.laddr.port, is_protected))
    return tuple(sorted(found, key=lambda listener: listener.port))


def _asks_for_the_token(process: Any) -> bool:
    """Whether its environment says so, or its parent's: Ray's title of a process takes the place of its environment."""
    parent = process.parent()
    own = (process, parent) if parent is not None else (process,)
    return any(each.environ().get("RAY_AUTH_MODE") == "token" for each in own)


def _is_of_ray(command: list[str]) -> bool:
    """
    >>> _is_of_ray(["/venv/lib/ray/core/src/ray/raylet/raylet", "--port=0"]), _is_of_ray(["ray::IDLE"])
    (True, True)
    >>> _is_of_ray(["python", "xray/server.py"])
    False
    """
    return any("/ray/" in part for part in command[:3]) or bool(command and command[0].startswith("ray::"))
