"""Real clusters beside that of the session: `ray start`, `ray job submit`, and `ray submit` through sshd.

Each lives in a temporary folder of its own, which its processes carry in their environment: by that they are told from
others and ended, since `ray stop` would end every Ray of the user.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import psutil
import pytest
import yaml

import raytabdl

pytestmark = [pytest.mark.slow, pytest.mark.ray, pytest.mark.timeout(240)]

SOURCE = Path(raytabdl.__file__).parents[1]
EXAMPLES = SOURCE / "examples" / "cluster"
BIN = Path(sys.executable).parent
N_CPUS = 3
"""Of the heads: their fits have so many workers, and those of a Ray of their own have other numbers."""
LIMIT_SECONDS = 60
"""Of the fits: where a machine is busy, the first trial of a new cluster has begun to train after 25 of them."""

CONNECT = """
import os, sys
from raytabdl.runtime.cluster import Connection
connection = Connection(1)
try:
    print(connection.cluster())
finally:
    connection.close()
    connection.join()
"""


def free_ports(n: int) -> list[int]:
    with contextlib.ExitStack() as open_ones:
        servers = [open_ones.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(n)]
        return [server.getsockname()[1] for server in servers]


@dataclass(frozen=True)
class Machine:
    """The home of a user and the folder of a Ray, apart from those of who runs the tests."""

    folder: Path

    @property
    def home(self) -> Path:
        return self.folder / "home"

    def environment(self, **more: str) -> dict[str, str]:
        left_out = ("RAY_ADDRESS", "RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH")
        inherited = {name: value for name, value in os.environ.items() if name not in left_out}
        return {
            **inherited,
            "HOME": str(self.home),
            "RAY_TMPDIR": str(self.folder),
            "PATH": f"{BIN}:{os.environ['PATH']}",
            "PYTHONPATH": str(SOURCE),
            "RAY_USAGE_STATS_ENABLED": "0",
            **more,
        }

    def run(self, *command: str, seconds: float = 180, **more: str) -> str:
        """The output of a command that succeeds."""
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=seconds,
            cwd=SOURCE,
            env=self.environment(**more),
            check=False,
        )
        assert done.returncode == 0, done.stdout
        return done.stdout

    def processes(self) -> list[psutil.Process]:
        """Those that were started for this machine, and what they have started."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if process.environ().get("RAY_TMPDIR") == str(self.folder):
                    found.append(process)
        return found

    def end(self) -> None:
        """Kills all of them; a raylet ends its workers too."""
        while found := self.processes():
            for process in found:
                with contextlib.suppress(psutil.Error):
                    process.kill()
            psutil.wait_procs(found, timeout=5)

    def token(self) -> None:
        """Makes the token that the cluster and its drivers share."""
        self.run(str(BIN / "ray"), "get-auth-token", "--generate")


def head_command() -> tuple[str, int]:
    """`ray start` with no port that another Ray may have, and the port of its dashboard."""
    port, dashboard, agent, client, metrics = free_ports(5)
    options = {
        "node-ip-address": "127.0.0.1",
        "port": port,
        "dashboard-port": dashboard,
        "dashboard-agent-listen-port": agent,
        "ray-client-server-port": client,
        "metrics-export-port": metrics,
        "min-worker-port": 0,
        "max-worker-port": 0,
        "num-cpus": N_CPUS,
    }
    return " ".join(["ray start --head", *(f"--{name}={value}" for name, value in options.items())]), dashboard


@pytest.fixture
def machine() -> Iterator[Machine]:
    folder = Path(tempfile.mkdtemp(prefix="rt-", dir="/tmp"))  # Ray's sockets allow for 107 characters
    machine = Machine(folder)
    machine.home.mkdir()
    yield machine
    machine.end()
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def parquet(tmp_path_factory: pytest.TempPathFactory, table: tuple[pd.DataFrame, pd.Series]) -> Path:
    path = tmp_path_factory.mktemp("table") / "car.parquet"
    X, y = table
    X.assign(**{"class": y}).to_parquet(path)
    return path


def arguments(run: Path, parquet: Path) -> list[str]:
    return [str(run), "--table", str(parquet), "--seconds", str(LIMIT_SECONDS)]


def check_fitted(run: Path, output: str) -> None:
    """The fit used the cluster, with a worker for each of its CPUs, and searched there."""
    assert json.loads((run / "search.json").read_text())["n_workers"] == N_CPUS
    records = [json.loads(line) for line in (run / "trials.jsonl").read_text().splitlines()]
    assert any(r["record"] == "result" and not r["trial_id"].startswith("quick") for r in records), output
    assert (run / "manifest.json").exists()
    assert "n_parameters" in output, output[-3000:]  # a column of the leaderboard


@pytest.mark.parametrize("has_token", [True, False])
def test_a_cluster_of_this_machine_is_joined_and_what_it_leaves_when_it_crashes_is_passed_over(
    machine: Machine, has_token: bool
) -> None:
    if has_token:
        machine.token()
    command, _ = head_command()
    machine.run("bash", "-c", f"{command} --include-dashboard=false")
    joined = machine.run(sys.executable, "-c", CONNECT)
    port = command.partition("--port=")[2].split()[0]
    assert f":{port}): 1 node(s), {N_CPUS} CPUs" in joined
    assert "Ray joined" in joined
    own = machine.run(sys.executable, "-c", CONNECT, RAY_ADDRESS="local")
    assert "Ray started" in own
    assert "1 CPUs" in own
    machine.end()
    assert (machine.folder / "ray" / "ray_current_cluster").exists()
    began = time.monotonic()
    assert "Ray started" in machine.run(sys.executable, "-c", CONNECT)
    assert time.monotonic() - began < 60  # Ray itself would try for long to reach the one that is gone


def test_a_script_is_fitted_as_a_job(machine: Machine, parquet: Path) -> None:
    pytest.importorskip("aiohttp", reason="needs ray[default]")
    machine.token()
    command, dashboard = head_command()
    machine.run("bash", "-c", command, RAY_AUTH_MODE="token")
    run = machine.folder / "run"
    address = ("--address", f"http://127.0.0.1:{dashboard}")
    output = machine.run(
        str(BIN / "ray"),
        *("job", "submit", *address, "--submission-id", "fit", "--working-dir", str(EXAMPLES)),
        *("--", "python", "fit.py", *arguments(run, parquet)),
        RAY_AUTH_MODE="token",
    )
    assert "succeeded" in output
    # What a job prints just before its end may be missing from what `submit` follows.
    check_fitted(run, machine.run(str(BIN / "ray"), "job", "logs", *address, "fit", RAY_AUTH_MODE="token"))


def sshd(machine: Machine) -> str:
    """An ssh proxy command that is a server of this machine for one connection, with the machine's home."""
    server = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin")
    missing = [name for name in ("ssh", "ssh-keygen", "rsync") if shutil.which(name) is None]
    if server is None or missing:
        pytest.skip(f"needs openssh-server and rsync; missing: {', '.join([*missing, *([] if server else ['sshd'])])}")
    if os.getuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # made by the service, where that runs
    folder = machine.folder / "ssh"
    folder.mkdir(mode=0o700)
    for name in ("host", "user"):
        machine.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name))
    shutil.copy(folder / "user.pub", folder / "authorized_keys")
    settings = {
        "HostKey": folder / "host",
        "AuthorizedKeysFile": folder / "authorized_keys",
        "StrictModes": "no",
        "UsePAM": "no",
        "PasswordAuthentication": "no",
        "PermitRootLogin": "prohibit-password",
        "PidFile": "none",
        "SetEnv": f"HOME={machine.home}",
    }
    (folder / "config").write_text("".join(f"{name} {value}\n" for name, value in settings.items()))
    profile = {"PATH": f"{BIN}:$PATH", "PYTHONPATH": SOURCE, "RAY_TMPDIR": machine.folder, "RAY_AUTH_MODE": "token"}
    (machine.home / ".bashrc").write_text("".join(f'export {name}="{value}"\n' for name, value in profile.items()))
    return f"{server} -i -f {folder / 'config'}"


def test_a_script_is_fitted_by_ray_submit_on_a_machine_of_ones_own(machine: Machine, parquet: Path) -> None:
    """The example's cluster file, with this machine in it, what is installed already, and ports of its own."""
    pytest.importorskip("aiohttp", reason="needs ray[default]")
    proxy = sshd(machine)
    machine.token()
    config: dict[str, Any] = yaml.safe_load((EXAMPLES / "local.yaml").read_text())
    start, _ = head_command()
    user = psutil.Process().username()
    file = machine.folder / "cluster.yaml"
    file.write_text(
        yaml.safe_dump(
            {
                **config,
                "cluster_name": machine.folder.name,
                "provider": {"type": "local", "head_ip": "127.0.0.1", "worker_ips": []},
                "auth": {
                    "ssh_user": user,
                    "ssh_private_key": str(machine.folder / "ssh" / "user"),
                    "ssh_proxy_command": proxy,
                },
                "file_mounts": {},
                "setup_commands": [],
                "head_start_ray_commands": [f"{start} --autoscaling-config=~/ray_bootstrap_config.yaml"],
                "worker_start_ray_commands": [],
            }
        )
    )
    ray = str(BIN / "ray")
    machine.run(ray, "up", "-y", "--no-config-cache", str(file), RAY_AUTH_MODE="token")
    run = machine.folder / "run"
    output = machine.run(
        *(ray, "submit", "--no-config-cache", str(file), str(EXAMPLES / "fit.py"), "--", *arguments(run, parquet)),
        RAY_AUTH_MODE="token",
    )
    assert (machine.home / "fit.py").read_text() == (EXAMPLES / "fit.py").read_text()
    check_fitted(run, output)
