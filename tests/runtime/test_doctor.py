from __future__ import annotations

import json
import os
import socket
from dataclasses import replace

import pytest
from click.testing import CliRunner

from raytabdl import cli
from raytabdl.runtime import doctor
from raytabdl.runtime.doctor import GIB, Listener, Machine, examine, problems

SOUND = Machine(
    cpus=4,
    host_cpus=8,
    memory=16 * GIB,
    host_memory=64 * GIB,
    available_memory=12 * GIB,
    shared_memory=8 * GIB,
    temporary_folder="/tmp",
    disk=50 * GIB,
    disk_used=0.5,
    gpus=0,
    cluster=None,
    cluster_answers=False,
    token="/home/me/.ray/auth_token",
    token_mode="0600",
    listeners=(Listener("raylet", "::", 40_000, True), Listener("raylet", "127.0.0.1", 40_001, False)),
    versions={"torch": "2.13.0+cpu"},
    unmet=(),
)


def test_nothing_is_wrong_with_a_sound_machine() -> None:
    assert problems(SOUND) == ()


@pytest.mark.parametrize(
    ("machine", "what", "mend", "stops_a_fit"),
    [
        (replace(SOUND, unmet=("ray>=2.60",)), "ray>=2.60 is needed", "pip install 'ray>=2.60'", True),
        (replace(SOUND, available_memory=GIB // 2), "0.50 GiB of memory are left", "memory limit", True),
        (replace(SOUND, available_memory=2 * GIB), "a worker for each CPU needs 2.50 GiB", "n_workers=3", False),
        # Docker gives 64 MB.
        (replace(SOUND, shared_memory=64 * 2**20), "/dev/shm has 0.06 GiB", "--shm-size=5g", False),
        (replace(SOUND, disk=2**20), "/tmp has 0.00 GiB left", "TMPDIR", True),
        (replace(SOUND, disk_used=0.97), "is 97% full", "free some space in /tmp", False),
        (replace(SOUND, cluster="10.0.0.1:6379"), "no Ray answers at 10.0.0.1:6379", "RAY_ADDRESS=local", True),
        (replace(SOUND, token_mode="0644"), "has mode 0644", "chmod 600 /home/me/.ray/auth_token", False),
        (replace(SOUND, gpus=2), "2 GPUs, but torch 2.13.0+cpu is built for CPUs", "CUDA build", False),
        (
            replace(SOUND, listeners=(Listener("gcs_server", "0.0.0.0", 6379, False),)),
            "listen to other machines without asking for a token, on the ports 6379 (gcs_server)",
            "RAY_AUTH_MODE=token",
            False,
        ),
    ],
)
def test_a_problem_comes_with_its_mend(machine: Machine, what: str, mend: str, stops_a_fit: bool) -> None:
    (found,) = problems(machine)
    assert what in found.what
    assert mend in found.mend
    assert found.stops_a_fit is stops_a_fit


def test_what_stops_a_fit_is_said_first() -> None:
    found = problems(replace(SOUND, token_mode="0644", disk=0))
    assert [each.stops_a_fit for each in found] == [True, False]


def test_a_cluster_that_is_there_is_no_problem() -> None:
    assert problems(replace(SOUND, cluster="10.0.0.1:6379", cluster_answers=True)) == ()


def test_this_machine_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "local")
    seen = examine()
    assert 1 <= seen.cpus <= seen.host_cpus == os.cpu_count()
    assert 0 < seen.available_memory <= seen.memory <= seen.host_memory
    assert 0 < seen.disk_used < 1
    assert seen.cluster is None
    assert "ray" in seen.versions
    assert seen.unmet == ()


def test_an_affinity_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "local")
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0})
    assert examine().cpus == 1


def test_an_address_where_nobody_answers_ends_with_1(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))  # taken, and nobody listens
        monkeypatch.setenv("RAY_ADDRESS", f"127.0.0.1:{free.getsockname()[1]}")
        done = CliRunner().invoke(cli.commands, ["doctor"])
    assert done.exit_code == 1
    assert "stops a fit: no Ray answers at 127.0.0.1:" in done.stdout


def test_the_json_has_all_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "examine", lambda: replace(SOUND, disk=0))
    done = CliRunner().invoke(cli.commands, ["doctor", "--json"])
    assert done.exit_code == 1
    told = json.loads(done.stdout)
    assert told["cpus"] == 4
    assert told["listeners"][0] == {"process": "raylet", "address": "::", "port": 40_000, "is_protected": True}
    assert [each["stops_a_fit"] for each in told["problems"]] == [True]


@pytest.mark.ray
def test_the_ports_of_a_running_ray_are_listed_as_protected_by_its_token(ray_cluster: None) -> None:
    seen = {listener.process: listener for listener in examine().listeners}
    assert seen["gcs_server"].is_protected
    assert all(listener.is_protected for listener in seen.values() if listener.is_open)
