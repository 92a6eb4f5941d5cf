"""What the nodes of a cluster must have before a search begins."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest

from raytabdl.exceptions import ClusterError, RunFolderError
from raytabdl.runtime import nodes
from raytabdl.runtime.limits import trial_resources
from raytabdl.runtime.nodes import check_room, check_shared, nodes_without

SMALL = {"CPU": 2.0, "memory": 4e9}
LARGE = {"CPU": 8.0, "memory": 32e9}
WITH_GPU = {"CPU": 1.0, "GPU": 1.0, "memory": 4e9}


@pytest.mark.parametrize("wanted", [trial_resources(0, None), trial_resources(0, 16), trial_resources(0.5, 3)])
def test_one_node_with_all_that_a_trial_needs_is_enough(wanted: dict[str, float]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_room(wanted, [SMALL, LARGE, WITH_GPU], may_grow=False)


def test_what_no_node_has_is_named_with_what_they_have() -> None:
    with pytest.raises(ClusterError, match=r"needs 1 GPU \(the most that a node has: 0 GPU\); lower gpus_per_trial"):
        check_room(trial_resources(1, None), [SMALL, LARGE], may_grow=False)
    with pytest.raises(ClusterError, match=r"64 GB of memory \(the most that a node has: 32 GB of memory\)"):
        check_room(trial_resources(0, 64), [SMALL, LARGE], may_grow=False)


def test_what_only_several_nodes_have_together_does_not_do() -> None:
    with pytest.raises(ClusterError, match="more than any one node has"):
        check_room(trial_resources(1, 16), [LARGE, WITH_GPU], may_grow=False)


def test_where_nodes_may_join_it_is_a_warning() -> None:
    with pytest.warns(UserWarning, match="needs 1 GPU .* it waits until such a node joins"):
        check_room(trial_resources(1, None), [SMALL], may_grow=True)
    with pytest.warns(UserWarning, match="needs 1 CPU"):
        check_room(trial_resources(0, None), [], may_grow=True)


@pytest.mark.ray
def test_a_node_that_sees_another_file_under_the_path_is_found(ray_cluster: None, tmp_path: Path) -> None:
    """A file of /proc is another one to each process, as a local path is to each node."""
    (tmp_path / "run.json").write_text("{}")
    assert nodes_without(tmp_path / "run.json", 30.0) == []
    (address,) = nodes_without(Path("/proc/self/cmdline"), 30.0)
    assert address.count(".") == 3


def test_a_local_run_folder_on_several_nodes_is_refused_with_the_mend(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nodes, "nodes_without", lambda file, patience_s: ["10.0.0.2", "10.0.0.3"])
    with pytest.raises(RunFolderError, match=rf"{tmp_path} .* nodes 10\.0\.0\.2, 10\.0\.0\.3: .*run_folder='/shared/"):
        check_shared(tmp_path, 30.0)
    monkeypatch.setattr(nodes, "nodes_without", lambda file, patience_s: [])
    check_shared(tmp_path, 30.0)
