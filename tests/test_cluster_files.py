"""The files of examples/cluster, held against Ray's own schema and KubeRay's fields, without a cloud."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "examples" / "cluster"
LAUNCHED = ("aws", "gcp", "local")
each_launched = pytest.mark.parametrize("name", LAUNCHED)

# github.com/ray-project/kuberay, ray-operator/apis/ray/v1: the JSON names of RayJobSpec, RayClusterSpec,
# HeadGroupSpec, WorkerGroupSpec and AutoscalerOptions.
JOB = [
    "entrypoint",
    "submissionMode",
    "backoffLimit",
    "activeDeadlineSeconds",
    "shutdownAfterJobFinishes",
    "ttlSecondsAfterFinished",
    "rayClusterSpec",
    "runtimeEnvYAML",
    "metadata",
    "clusterSelector",
    "submitterPodTemplate",
    "submitterConfig",
    "jobId",
    "suspend",
    "managedBy",
    "entrypointNumCpus",
    "entrypointNumGpus",
    "entrypointResources",
    "deletionStrategy",
]
CLUSTER = [
    "rayVersion",
    "headGroupSpec",
    "workerGroupSpecs",
    "authOptions",
    "enableInTreeAutoscaling",
    "autoscalerOptions",
    "suspend",
    "headServiceAnnotations",
    "managedBy",
    "gcsFaultToleranceOptions",
]
HEAD = ["rayStartParams", "template", "serviceType", "headService", "enableIngress", "resources", "labels"]
WORKER = [
    "groupName",
    "replicas",
    "minReplicas",
    "maxReplicas",
    "rayStartParams",
    "template",
    "numOfHosts",
    "idleTimeoutSeconds",
    "suspend",
    "scaleStrategy",
    "resources",
    "labels",
]
AUTOSCALER = [
    "idleTimeoutSeconds",
    "upscalingMode",
    "resources",
    "image",
    "imagePullPolicy",
    "env",
    "envFrom",
    "volumeMounts",
    "securityContext",
    "version",
]


def pinned_ray() -> str:
    (version,) = re.findall(r"^ray==(\S+)$", (ROOT / "constraints.txt").read_text(), flags=re.MULTILINE)
    return str(version)


def launched(name: str) -> dict[str, Any]:
    """A cluster.yaml as its user reads it."""
    config: dict[str, Any] = yaml.safe_load((FOLDER / f"{name}.yaml").read_text())
    return config


def prepared(config: dict[str, Any]) -> dict[str, Any]:
    """The same as `ray up` takes it: with the provider's defaults, and held against Ray's schema."""
    util = pytest.importorskip("ray.autoscaler._private.util")
    filled: dict[str, Any] = util.prepare_config(config)
    util.validate_config(filled)
    return filled


def ray_job() -> tuple[dict[str, Any], dict[str, Any]]:
    """(the storage, the job)"""
    claim, job = yaml.safe_load_all((FOLDER / "rayjob.yaml").read_text())
    return claim, job


@each_launched
def test_ray_accepts_a_cluster_file(name: str) -> None:
    config = prepared(launched(name))
    assert config["provider"]["type"] == name
    assert config["head_node_type"] in config["available_node_types"]


@each_launched
def test_a_misspelt_key_of_a_cluster_file_is_refused(name: str) -> None:
    with pytest.raises(Exception, match="'setup_comands' was unexpected"):
        prepared({**launched(name), "setup_comands": []})


@pytest.mark.parametrize(
    ("name", "is_spot"),
    [
        ("aws", lambda node: node.get("InstanceMarketOptions", {}).get("MarketType") == "spot"),
        ("gcp", lambda node: {"preemptible": True} in node.get("scheduling", [])),
    ],
)
def test_the_head_is_on_demand_and_the_workers_are_spot(name: str, is_spot: Any) -> None:
    config = prepared(launched(name))
    types = dict(config["available_node_types"])
    head = types.pop(config["head_node_type"])
    assert not is_spot(head["node_config"])
    assert head["max_workers"] == 0
    assert types
    for worker in types.values():
        assert is_spot(worker["node_config"])
        assert 0 < worker["min_workers"] <= worker["max_workers"] <= config["max_workers"]


@each_launched
def test_what_is_copied_to_the_nodes_is_there_and_installs_the_package(name: str) -> None:
    mounts = launched(name)["file_mounts"]
    sources = {source for source in mounts.values() if not source.startswith("~")}
    assert all((ROOT / source).exists() for source in sources)
    assert {"raytabdl", "setup.cfg", "setup.py", "pyproject.toml", "constraints.txt"} <= sources
    dockerfile = (FOLDER / "Dockerfile").read_text()
    assert all(re.search(rf"COPY .*\b{re.escape(source)}\b", dockerfile) for source in sources)


@each_launched
def test_every_node_has_the_token_and_asks_for_it(name: str) -> None:
    config = launched(name)
    (target,) = [target for target, source in config["file_mounts"].items() if source == "~/.ray/auth_token"]
    assert target.endswith("/.ray/auth_token")
    commands = " ".join([*config.get("docker", {}).get("run_options", ()), *config["setup_commands"]])
    assert "RAY_AUTH_MODE=token" in commands


@each_launched
def test_the_dashboard_listens_on_loopback_and_the_options_of_ray_start_exist(name: str) -> None:
    start = pytest.importorskip("ray.scripts.scripts").start
    known = {option for parameter in start.params for option in parameter.opts}
    config = launched(name)
    for command in [*config["head_start_ray_commands"], *config["worker_start_ray_commands"]]:
        given = {word.partition("=")[0] for word in shlex.split(command) if word.startswith("--")}
        assert given <= known
    (head,) = [command for command in config["head_start_ray_commands"] if "ray start" in command]
    assert "--dashboard-host=127.0.0.1" in head


def test_a_ray_job_has_fields_that_kuberay_knows() -> None:
    claim, job = ray_job()
    assert (job["apiVersion"], job["kind"]) == ("ray.io/v1", "RayJob")
    spec = job["spec"]
    cluster = spec["rayClusterSpec"]
    assert set(spec) <= set(JOB)
    assert set(cluster) <= set(CLUSTER)
    assert set(cluster["headGroupSpec"]) <= set(HEAD)
    assert set(cluster["autoscalerOptions"]) <= set(AUTOSCALER)
    assert cluster["authOptions"] == {"mode": "token"}
    assert spec["submissionMode"] in ("K8sJobMode", "HTTPMode", "SidecarMode", "InteractiveMode")
    assert spec["shutdownAfterJobFinishes"] is True
    for group in cluster["workerGroupSpecs"]:
        assert set(group) <= set(WORKER)
        assert group["minReplicas"] <= group["replicas"] <= group["maxReplicas"]
    for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"]):
        assert all(isinstance(value, str) for value in group["rayStartParams"].values())
        pod = group["template"]["spec"]
        (container,) = pod["containers"]
        (volume,) = pod["volumes"]
        assert container["volumeMounts"] == [{"name": volume["name"], "mountPath": "/shared"}]
        assert volume["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]
        assert set(container["resources"]["limits"]) == {"cpu", "memory"}
    assert claim["spec"]["accessModes"] == ["ReadWriteMany"]


def test_the_deadline_of_a_ray_job_is_above_the_time_of_its_fit() -> None:
    _, job = ray_job()
    _, script, run_folder, *options = shlex.split(job["spec"]["entrypoint"])
    assert f" {script}" in (FOLDER / "Dockerfile").read_text()
    assert run_folder.startswith("/shared/")
    seconds = float(options[options.index("--seconds") + 1])
    assert seconds + 600 <= job["spec"]["activeDeadlineSeconds"]


def test_all_files_name_the_ray_version_of_the_constraints() -> None:
    named = re.compile(r"(?:rayproject/ray:|\bray\[\w+\]==|:ray-|rayVersion: \")(\d+(?:\.\d+)*)")
    files = [FOLDER / f"{name}.yaml" for name in (*LAUNCHED, "rayjob")] + [FOLDER / "Dockerfile"]
    for file in files:
        assert set(named.findall(file.read_text())) == {pinned_ray()}, file.name
    assert set(named.findall((FOLDER / "README.md").read_text())) <= {pinned_ray()}
    floors = re.findall(r"^\s+ray\[\w+\] >= (\S+)$", (ROOT / "setup.cfg").read_text(), flags=re.MULTILINE)
    assert floors
    assert all(pinned_ray().startswith(f"{floor}.") for floor in floors)


def test_the_readme_names_the_files_that_are_there() -> None:
    readme = (FOLDER / "README.md").read_text()
    assert all(path.name in readme for path in FOLDER.iterdir() if path.name != "README.md")
    assert all((ROOT / path).exists() for path in re.findall(r"examples/cluster/[\w.]+\w", readme))
