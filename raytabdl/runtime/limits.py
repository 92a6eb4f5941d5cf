"""What a single trial may take: seconds, which the driver counts too, and memory, which its worker watches."""

from __future__ import annotations

import math
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from raytabdl.component import Config
from raytabdl.space import ROOT

GRACE_SECONDS = 3.0
"""How long after its limit the worker of a trial may take to answer before it is killed."""

OUT_OF_MEMORY = ("can't allocate memory", "bad_alloc", "bad allocation")
"""What errors of torch, LightGBM and CatBoost say that are no ``MemoryError``."""

WATCH_SECONDS = 0.1
"""Between two looks at a worker's memory; what is allocated in that time is not seen."""

TOO_SLOW = "too slow"
"""How the reason begins for which a trial is stopped, and its model is tried no more."""

GIGABYTE = 10**9

RAYS_STEPS = 10_000
"""Ray counts parts of a GPU in steps of 0.0001."""

LEAST_GIGABYTES = 0.5
"""A worker has taken 0.3 GB before it trains."""

WORKER_GIGABYTES, N_COPIES, LEAST_PLACED_GIGABYTES = 0.5, 3, 1.0
"""Of a worker beside the table; of the table in it, as its training part, prepared, and binned; and worth a word."""


@dataclass(frozen=True)
class TrialLimits:
    """The most that a trial may take: seconds of a worker, all its steps together, and gigabytes of its process."""

    seconds: float = math.inf
    gigabytes: float | None = None


def trial_resources(gpus: float, gigabytes: float | None) -> dict[str, float]:
    """What Ray is asked for, for each trial."""
    wanted = {"CPU": 1.0, "GPU": gpus, "memory": (gigabytes or 0.0) * GIGABYTE}
    return {name: amount for name, amount in wanted.items() if amount > 0}


def placed_gigabytes(n_bytes: int, nodes: Sequence[Mapping[str, float]]) -> float | None:
    """The memory that Ray finds room for where nobody has limited it: about what a trial takes of a large table.

    Without it a node would be given a worker for each CPU, whatever its memory. ``n_bytes`` is the size of the encoded
    table, ``nodes`` are the resources of each; a trial that no node has room for is placed on the largest. None where
    a trial takes no more than a worker does in any case.

    >>> placed_gigabytes(800_000_000, [{"CPU": 8, "memory": 11e9}]), placed_gigabytes(1_000_000, [{"memory": 11e9}])
    (2.9, None)
    """
    needed = WORKER_GIGABYTES + N_COPIES * n_bytes / GIGABYTE
    most = max((node.get("memory", 0.0) for node in nodes), default=0.0) / GIGABYTE
    return min(needed, most) if needed > LEAST_PLACED_GIGABYTES else None


def asked_resources(
    gpus: float | None, gigabytes: float | None, n_bytes: int, nodes: Sequence[Mapping[str, float]], n_workers: int
) -> dict[str, float]:
    """What Ray is asked for, for each trial: what a user has said, or a share of the GPUs and room for the table."""
    return trial_resources(
        gpu_share(nodes, n_workers) if gpus is None else gpus,
        placed_gigabytes(n_bytes, nodes) if gigabytes is None else gigabytes,
    )


@dataclass
class Stopwatch:
    """The seconds that workers have been busy with each trial, those included that they have not reported yet."""

    spent_s: dict[str, float] = field(default_factory=dict)
    _since: dict[str, float] = field(default_factory=dict)

    def busy_s(self, trial_id: str) -> float:
        """The seconds of a trial that is training now; its stretch begins with the first time that it is asked for."""
        now = time.monotonic()
        return self.spent_s.get(trial_id, 0.0) + now - self._since.setdefault(trial_id, now)

    def reported(self, trial_id: str, seconds: float) -> None:
        """A step of so many seconds has come to its end."""
        self.spent_s[trial_id] = self.spent_s.get(trial_id, 0.0) + seconds
        self._since[trial_id] = time.monotonic()

    def lost(self, trial_id: str) -> None:
        """The worker of a trial died; its seconds count."""
        self.spent_s[trial_id] = self.busy_s(trial_id)
        self.idle(trial_id)

    def idle(self, trial_id: str) -> None:
        """No worker is busy with the trial, until it is asked for again."""
        self._since.pop(trial_id, None)


def gpu_share(nodes: Sequence[Mapping[str, float]], n_workers: int) -> float:
    """The GPUs of a trial where nobody asked for any: an equal share of those of its node, at most one.

    ``nodes`` are the resources of each. None where a node has CPUs and no GPU, which trials could not use else.

    >>> gpu_share([{"CPU": 8, "GPU": 3}], n_workers=8), gpu_share([{"CPU": 8, "GPU": 1}, {"CPU": 4}], n_workers=12)
    (0.3333, 0.0)
    """
    workers = [(node.get("GPU", 0.0), min(node["CPU"], n_workers)) for node in nodes if node.get("CPU", 0.0) >= 1]
    if not workers or any(n_gpus < 1 for n_gpus, _ in workers):
        return 0.0
    n_sharing = max(math.ceil(n / int(n_gpus)) for n_gpus, n in workers)  # a part of a GPU lies on one GPU
    return math.floor(RAYS_STEPS / n_sharing) / RAYS_STEPS


def hide_gpus(assigned: Sequence[int | str]) -> None:
    """Keeps torch, which has not looked for GPUs yet, from those of the node where Ray has assigned none."""
    if not assigned:
        os.environ["CUDA_VISIBLE_DEVICES"] = ""


def half_batches(config: Config) -> Config | None:
    """The configuration with batches of half the size; None where it has none, or none to halve."""
    key = f"network.{config[ROOT]}.batch_size"
    size = config.get(key)
    return {**config, key: size // 2} if isinstance(size, int) and size >= 4 else None


def is_out_of_memory(error: Exception) -> bool:
    """Whether a training failed for want of memory, on the CPU or on a GPU."""
    kinds = {cls.__name__ for cls in type(error).__mro__}
    return bool(kinds & {"MemoryError", "OutOfMemoryError"}) or any(words in str(error) for words in OUT_OF_MEMORY)


def private_bytes(statm: str) -> int:
    """The memory that a process shares with nobody, by Linux's record of it (/proc/PID/statm)."""
    _, resident, shared, *_ = statm.split()
    return (int(resident) - int(shared)) * os.sysconf("SC_PAGE_SIZE")


class MemoryWatch:
    """Looks at the memory of its own process from a thread, and calls when it exceeds the limit.

    What other processes map as well does not count: the table and prepared folds lie in memory once for all workers.
    """

    def __init__(self, gigabytes: float, exceeded: Callable[[float], None]) -> None:
        self._limit = gigabytes * GIGABYTE
        self._exceeded = exceeded
        threading.Thread(target=self._watch, name="raytabdl-memory", daemon=True).start()

    def _watch(self) -> None:
        statm = Path("/proc/self/statm")
        while (taken := private_bytes(statm.read_text(encoding="ascii"))) <= self._limit:
            time.sleep(WATCH_SECONDS)
        self._exceeded(taken / GIGABYTE)
