"""What needs a Ray of its own: nodes that join and are lost, one that runs out of memory, and logical GPUs."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(240)]

NETWORK = """
import json, sys, threading, time
from pathlib import Path
import torch
from torch import nn
from raytabdl import TabularClassifier, datasets
from raytabdl.component import Integer, Network
from raytabdl.search.portfolio import Member, Portfolio
from raytabdl.space import Choices

class Own(Network, nn.Module):
    name = "own"
    space = {"n_units": Integer(1, 100, default=8)}

    def __init__(self, d_num, cardinalities, d_out, *, n_units=8):
        super().__init__()
        self.cardinalities = tuple(cardinalities)
        self.output = nn.Linear(d_num + sum(cardinalities), d_out)

    def forward(self, x_num, x_cat):
        if self.training:
            self.disturb()
        levels = [nn.functional.one_hot(x_cat[:, j], n) for j, n in enumerate(self.cardinalities)]
        return self.output(torch.cat([x_num, *levels], dim=1))

def fit(n_units, more=(), folder=sys.argv[1], **options):
    configs = [{"model": "own", "network.own.n_units": i, "network.own.batch_size": 512} for i in n_units]
    configs += [{"model": name} for name in more]
    X, y = datasets.load("car")
    choices = Choices(networks=(Own,)).only(["own", *more])
    portfolio = Portfolio("hand-chosen", tuple(Member(config) for config in configs))
    classifier = TabularClassifier(
        None, n_trials=len(configs), choices=choices, portfolio=portfolio, run_folder=folder, **options
    )
    return classifier.fit(X.iloc[::4], y.iloc[::4])
"""

NODES = """
import ray
from ray.cluster_utils import Cluster

folder = Path(sys.argv[1])  # a worker has arguments of its own

def hold_at_the_third_epoch(self):
    time.sleep(0.1)
    self.n_epochs = getattr(self, "n_epochs", 0) + 1
    node_id = ray.get_runtime_context().get_node_id()
    if self.n_epochs == 3 and (folder.parent / f"hold-{node_id}").exists():
        (folder.parent / "held").touch()
        time.sleep(600)

Own.disturb = hold_at_the_third_epoch
cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
ray.init(address=cluster.address, log_to_driver=False)
seen = {}

def wait_until(condition):
    ends = time.monotonic() + 90
    while not condition():
        assert time.monotonic() < ends
        time.sleep(0.1)

def lines(name):
    path = folder / name
    return [line for line in path.read_text().splitlines() if "quick" not in line] if path.exists() else []

def join_and_leave():
    wait_until(lambda: len(lines("curves.jsonl")) > 3)
    node = cluster.add_node(num_cpus=1)
    (folder.parent / f"hold-{node.node_id}").touch()
    # From here on the joined node is in the middle of a trial, which does not end before the node is lost.
    wait_until((folder.parent / "held").exists)
    seen["before"] = lines("trials.jsonl")[:-1]
    cluster.remove_node(node, allow_graceful=False)

thread = threading.Thread(target=lambda: seen.update(outcomes=fit(range(1, 4)).folder_.history().outcomes()))
thread.start()
join_and_leave()  # nodes are added in the main thread
thread.join(timeout=150)
print("SEEN " + json.dumps({**seen, "nodes": len([n for n in ray.nodes() if n["Alive"]])}), flush=True)
ray.shutdown()
cluster.shutdown()
"""


def run(code: str, folder: Path, arguments: tuple[str, ...] = (), **environment: str) -> Any:
    """What a script of its own process has seen."""
    inherited = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"}
    done = subprocess.run(
        [sys.executable, "-c", NETWORK + code, str(folder), *arguments],
        capture_output=True,
        text=True,
        timeout=220,
        cwd=folder.parent,
        env={**inherited, **environment},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.partition("SEEN ")[2].splitlines()[0])


def records(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "trials.jsonl").read_text().splitlines()]


def test_a_node_that_joins_is_used_and_when_it_is_lost_the_run_goes_on_without_a_loss(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    # A Cluster, unlike ray.init, makes no token where the machine has none. The fit begins with one worker.
    seen = run(NODES, folder, RAY_AUTH_TOKEN=secrets.token_hex(32))
    assert seen["nodes"] == 1
    assert seen["outcomes"] == {"success": 3}
    after = [r for r in records(folder) if not str(r.get("id") or r["trial_id"]).startswith("quick")]
    before = [json.loads(line) for line in seen["before"]]
    assert after[: len(before)] == before
    lost = [r for r in after if r["record"] == "change" and r["reason"].startswith("the worker was lost")]
    assert {r["status"] for r in lost} == {"running"}  # it goes on elsewhere
    assert max(r["budget"] for r in after[len(before) :] if r["record"] == "result") == 27


FULL_NODE = """
def hold(self):
    if not hasattr(self, "held"):
        self.held = torch.ones(6_000_000_000 // 4)

Own.disturb = hold
classifier = fit([1], ["random_forest"], n_workers=1)
print("SEEN " + json.dumps(classifier.folder_.history().outcomes()), flush=True)
"""


def test_a_worker_that_rays_memory_monitor_ends_is_a_memout_and_the_search_goes_on(tmp_path: Path) -> None:
    memory = psutil.virtual_memory()
    if memory.available < 9e9:
        pytest.skip(f"needs 9 GB of free memory, has {memory.available / 1e9:.1f}")
    threshold = (memory.total - memory.available + 4e9) / memory.total
    environment = {"RAY_memory_usage_threshold": f"{threshold:.3f}", "RAY_memory_monitor_refresh_ms": "50"}
    assert run(FULL_NODE, tmp_path / "run", **environment) == {"success": 1, "memout": 1}
    first, last = [r for r in records(tmp_path / "run") if "memout: Ray ended the worker" in r.get("reason", "")]
    assert (first["status"], last["status"]) == ("running", "memout")


GPUS = """
import os, warnings
import ray

def note(self):
    context = ray.get_runtime_context()
    seen = [
        ray.get_gpu_ids(),
        os.environ.get("CUDA_VISIBLE_DEVICES"),
        context.get_assigned_resources().get("GPU", 0),
        self.output.weight.device.type,
    ]
    (noted / f"{os.getpid()}.json").write_text(json.dumps(seen))

Own.disturb = note
ray.init(num_cpus=3, num_gpus=1, include_dashboard=False, log_to_driver=False)
found = {}
for name, options in {"an equal share": {}, "a half": {"gpus_per_trial": 0.5}, "none": {"gpus_per_trial": 0}}.items():
    noted = Path(sys.argv[1]).parent / name
    noted.mkdir()
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        outcomes = fit(range(1, 7), folder=noted / "run", **options).folder_.history().outcomes()
    seen = [json.loads(path.read_text()) for path in noted.glob("*.json")]
    found[name] = [outcomes, seen, [str(each.message) for each in heard]]
print("SEEN " + json.dumps(found), flush=True)
ray.shutdown()
"""


@pytest.fixture(scope="module")
def on_gpus(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Fits on Ray's logical GPUs, one for three CPUs: what a worker is given is the same where there are real ones."""
    return run(GPUS, tmp_path_factory.mktemp("gpus") / "run")


@pytest.mark.parametrize(
    ("asked", "most_workers", "given"),
    [("an equal share", 3, ([0], "0", 0.3333)), ("a half", 2, ([0], "0", 0.5)), ("none", 3, ([], "", 0.0))],
)
def test_workers_share_the_gpus_of_their_node_as_was_asked_or_see_none(
    asked: str, most_workers: int, given: tuple[list[int], str, float], on_gpus: Any
) -> None:
    outcomes, seen, _ = on_gpus[asked]
    assert outcomes == {"success": 6}
    assert 1 < len(seen) <= most_workers
    for assigned, visible, share, _ in seen:
        assert (assigned, visible, share) == (*given[:2], pytest.approx(given[2]))


@pytest.mark.parametrize("asked", ["an equal share", "a half", "none"])
def test_a_trial_is_on_the_gpu_that_it_was_given_and_it_is_said_where_torch_sees_none(asked: str, on_gpus: Any) -> None:
    _, seen, heard = on_gpus[asked]
    is_seen = torch.cuda.is_available()
    assert {each[3] for each in seen} == {"cuda" if is_seen and asked != "none" else "cpu"}
    said = [text for text in heard if "trained on the CPU, since torch sees" in text]
    assert len(said) == (not is_seen and asked != "none")
    assert all("6 trial(s)" in text and "gpus_per_trial=0" in text for text in said)
