"""The cores that there are for a fit: those of the machine, without what a container or an affinity withholds."""

from __future__ import annotations

import os


def n_cores() -> int:
    """The cores that this process may use, by its affinity: ``taskset``, a job of SLURM, the cpuset of a cgroup."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def n_ray_cpus() -> int:
    """The CPUs of a Ray that is started here: what Ray counts, which knows the quota of a container, and no affinity.

    At least 1: where the quota is a part of a core Ray counts none, and would train nothing.
    """
    from ray._private.utils import get_num_cpus

    return max(1, min(int(get_num_cpus(override_docker_cpu_warning=True)), n_cores()))
