"""What the nodes of a cluster must have before a search begins: room for a trial, and the run folder."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from raytabdl.exceptions import ClusterError, RunFolderError
from raytabdl.failures import last_line
from raytabdl.runtime.cluster import Cluster

ANSWER_SECONDS = 30.0
"""How long a node may take to start a process that looks for the run folder; one that is busy is not waited for."""

ANSWER_SHARE = 0.2
"""Of the time that is left, which the nodes may take for it at most."""


def check_cluster(cluster: Cluster, path: Path, wanted: Mapping[str, float], left_s: float) -> None:
    """Raises ClusterError where nodes lack what a trial needs, RunFolderError where they lack the run folder."""
    nodes = living_nodes()
    check_room(wanted, nodes, may_grow=not cluster.is_own)
    if len(nodes) > 1:
        check_shared(path, min(ANSWER_SECONDS, ANSWER_SHARE * left_s))


def living_nodes() -> list[Mapping[str, float]]:
    """The resources of each node that is alive."""
    import ray

    return [node["Resources"] for node in ray.nodes() if node["Alive"]]


def check_room(wanted: Mapping[str, float], nodes: Sequence[Mapping[str, float]], *, may_grow: bool) -> None:
    """Raises ClusterError where no node has what a trial asks for; warns where nodes may still join.

    >>> check_room({"CPU": 1, "GPU": 0.5}, [{"CPU": 8.0, "GPU": 1.0}], may_grow=False)
    """
    if any(all(node.get(name, 0.0) >= amount for name, amount in wanted.items()) for node in nodes):
        return
    missing = [name for name, amount in wanted.items() if all(node.get(name, 0.0) < amount for node in nodes)]
    most = {name: max((node.get(name, 0.0) for node in nodes), default=0.0) for name in wanted}
    told = ", ".join(
        f"{_amount(name, wanted[name])} (the most that a node has: {_amount(name, most[name])})" for name in missing
    )
    reason = f"a trial needs {told or 'more than any one node has'}"
    if not may_grow:
        raise ClusterError(f"{reason}; lower gpus_per_trial or trial_memory")
    warnings.warn(
        f"{reason}: it waits until such a node joins the cluster; else lower gpus_per_trial or trial_memory",
        stacklevel=2,
    )


def _amount(name: str, amount: float) -> str:
    return f"{amount / 1e9:g} GB of memory" if name == "memory" else f"{amount:g} {name}"


def check_shared(path: Path, patience_s: float) -> None:
    """Raises RunFolderError where a node of the cluster does not see the run folder, which trials write to."""
    blind = nodes_without(path / "run.json", patience_s)
    if blind:
        raise RunFolderError(
            f"{path} is not the same folder on the nodes {', '.join(blind)}: on a cluster of several nodes give "
            "run_folder (or --out) a path on storage that all of them mount, as in run_folder='/shared/runs/first'"
        )


def nodes_without(file: Path, patience_s: float) -> list[str]:
    """The addresses of the living nodes on which a file does not have the content that it has here."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    content = file.read_bytes()
    look = ray.remote(num_cpus=0)(_has_content)
    answers: dict[Any, str] = {}
    for node in ray.nodes():
        if node["Alive"]:
            there = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
            answers[look.options(scheduling_strategy=there).remote(file, content)] = node["NodeManagerAddress"]
    ready, _ = ray.wait(list(answers), num_returns=len(answers), timeout=patience_s)
    return [answers[answer] for answer in ready if not _answer(answer, answers[answer])]


def _answer(answer: Any, address: str) -> bool:
    """What a node has answered; one that has left the cluster is not asked."""
    import ray

    try:
        return bool(ray.get(answer))
    except ray.exceptions.RayTaskError as error:
        cause = last_line(str(error))
        raise ClusterError(
            f"the node {address} cannot run raytabdl ({cause}): install the same version of it on every node"
        ) from error
    except ray.exceptions.RayError:
        return True


def _has_content(file: Path, content: bytes) -> bool:
    return file.exists() and file.read_bytes() == content
