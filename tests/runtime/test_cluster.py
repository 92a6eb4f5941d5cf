"""Which Ray a fit uses, without starting one; test_submit.py has the real ones."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ray import __version__ as ray_version

from raytabdl.exceptions import ClusterError
from raytabdl.runtime import cluster
from raytabdl.runtime.cluster import Connection, connect, connected, leave, prepare_environment, running_here


@pytest.fixture
def head() -> Iterator[str]:
    """The address of a port that accepts connections, as a head does."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture
def started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, set[str]], None]:
    """Leaves what `ray start` leaves: a file with the address of the head, and raylets with addresses of heads."""
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))

    def leave(recorded: str, raylets: set[str]) -> None:
        (tmp_path / "ray").mkdir()
        (tmp_path / "ray" / "ray_current_cluster").write_text(recorded)
        monkeypatch.setattr("ray._private.services.find_gcs_addresses", lambda: frozenset(raylets))

    return leave


@pytest.fixture
def asked_for(monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Any]]:
    """What Ray is asked for by ``connect``."""

    class Asked(Exception):
        pass

    def init(**options: Any) -> None:
        raise Asked(options)

    def ask(address: str | None, here: str | None, n_cpus: int | None = 3) -> dict[str, Any]:
        monkeypatch.setattr("ray.is_initialized", lambda: False)
        monkeypatch.setattr("ray.init", init)
        monkeypatch.setattr(cluster, "running_here", lambda: here)
        if address is None:
            monkeypatch.delenv("RAY_ADDRESS", raising=False)
        else:
            monkeypatch.setenv("RAY_ADDRESS", address)
        with pytest.raises(Asked) as asked:
            connect(n_cpus)
        options: dict[str, Any] = asked.value.args[0]
        return options

    return ask


def test_a_running_cluster_of_this_machine_is_found(head: str, started: Callable[..., None]) -> None:
    started(head, {head, "127.0.0.1:1"})
    assert running_here() == head


def test_there_is_none_where_ray_was_never_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    assert running_here() is None


def test_what_a_crashed_cluster_left_is_passed_over(head: str, started: Callable[..., None]) -> None:
    """Its port may have gone to another program, and another Ray may run here."""
    started(head, {"127.0.0.1:1"})
    assert running_here() is None


def test_a_raylet_that_has_lost_its_head_is_passed_over(started: Callable[..., None]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        gone = f"127.0.0.1:{server.getsockname()[1]}"
    started(gone, {gone})
    assert running_here() is None


def test_the_cluster_of_another_user_is_passed_over(
    head: str, started: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    started(head, {head})
    me = os.getuid()
    monkeypatch.setattr(os, "getuid", lambda: me + 1)
    assert running_here() is None


@pytest.mark.parametrize(
    ("address", "here", "joined"),
    [
        ("10.0.0.1:6379", None, "10.0.0.1:6379"),
        ("10.0.0.1:6379", "127.0.0.1:6379", "10.0.0.1:6379"),
        (None, "127.0.0.1:6379", "127.0.0.1:6379"),
        ("", "127.0.0.1:6379", "127.0.0.1:6379"),
    ],
)
def test_a_cluster_that_is_named_or_runs_here_is_joined_as_it_is(
    asked_for: Callable[..., dict[str, Any]], address: str | None, here: str | None, joined: str
) -> None:
    options = asked_for(address, here)
    assert options["address"] == joined
    assert "num_cpus" not in options


@pytest.mark.parametrize(("address", "here"), [(None, None), ("local", "127.0.0.1:6379")])
def test_else_one_is_started_with_the_cpus_asked_for(
    asked_for: Callable[..., dict[str, Any]], address: str | None, here: str | None
) -> None:
    options = asked_for(address, here)
    assert options["address"] == "local"
    assert options["num_cpus"] == 3


@pytest.mark.parametrize(
    ("counted", "affinity", "n_cpus"),
    [
        (64.0, 4, 4),  # taskset -c 0-3, or a job of SLURM with 4 cores
        (2.0, 64, 2),  # docker run --cpus=2
        (0.0, 64, 1),  # --cpus=0.5, which Ray rounds down
    ],
)
def test_without_a_number_it_has_the_cpus_that_quota_and_affinity_leave_to_the_process(
    asked_for: Callable[..., dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
    counted: float,
    affinity: int,
    n_cpus: int,
) -> None:
    monkeypatch.setattr("ray._private.utils.get_num_cpus", lambda **_: counted)
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(affinity)))
    assert asked_for("local", None, n_cpus=None)["num_cpus"] == n_cpus


class FakeRay:
    """Stands in for the start and the end of a Ray, and notes them with their threads."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, is_there: bool = False) -> None:
        self.is_there = is_there
        self.events: list[tuple[str, threading.Thread]] = []
        monkeypatch.setenv("RAY_ADDRESS", "local")
        monkeypatch.setattr("ray.is_initialized", lambda: self.is_there)
        monkeypatch.setattr("ray.init", self.init)
        monkeypatch.setattr("ray.shutdown", self.shutdown)
        monkeypatch.setattr("ray.cluster_resources", lambda: {"CPU": 2.0})
        monkeypatch.setattr("ray.nodes", lambda: [{"Alive": True}])
        monkeypatch.setattr("ray.get_runtime_context", lambda: SimpleNamespace(gcs_address="127.0.0.1:1"))
        monkeypatch.setattr("ray._private.worker.get_dashboard_url", lambda: None)

    def init(self, **options: Any) -> None:
        self.events.append(("init", threading.current_thread()))
        time.sleep(0.05)  # in which another thread may come
        self.is_there = True

    def shutdown(self) -> None:
        self.events.append(("shutdown", threading.current_thread()))
        self.is_there = False

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.events]


def test_a_ray_that_was_started_is_ended_by_the_last_who_leaves_it(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeRay(monkeypatch)
    first, second = connect(2), connect(1)
    assert (first.is_own, second.is_own) == (True, True)
    leave(first)  # whoever started it
    assert fake.names == ["init"]
    leave(second)
    assert fake.names == ["init", "shutdown"]
    with connected(), connected():
        pass
    assert fake.names == ["init", "shutdown"] * 2


def test_threads_that_come_at_once_start_one_ray_which_outlives_each_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """Linux ends Ray's processes with the thread that started them."""
    fake = FakeRay(monkeypatch)
    with ThreadPoolExecutor(4) as pool:
        clusters = list(pool.map(connect, [1] * 4))
    assert fake.names == ["init"]
    starter = fake.events[0][1]
    assert starter.is_alive()  # the threads of the pool are not
    for cluster_ in clusters:
        leave(cluster_)
    assert fake.events == [("init", starter), ("shutdown", starter)]
    assert not starter.is_alive()


def test_a_connection_that_ends_leaves_ray_to_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeRay(monkeypatch)
    first, second = Connection(1), Connection(1)
    for connection in (first, second):
        assert connection.cluster() is not None
    first.close()
    first.join()  # does not wait for the second
    assert fake.names == ["init"]
    second.close()
    second.join()
    assert fake.names == ["init", "shutdown"]


def test_a_ray_of_the_users_is_never_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeRay(monkeypatch, is_there=True)
    with connected() as joined:
        assert not joined.is_own
    assert fake.names == []


def test_a_cluster_that_cannot_be_reached_is_named_with_the_mend(monkeypatch: pytest.MonkeyPatch) -> None:
    def init(**options: Any) -> None:
        raise ConnectionError("nobody there")

    monkeypatch.setattr("ray.is_initialized", lambda: False)
    monkeypatch.setattr("ray.init", init)
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:6379")
    with pytest.raises(ClusterError, match=r"10\.0\.0\.1:6379.*`ray start --head`.*RAY_ADDRESS=local.*nobody there"):
        connect()


def test_a_token_that_a_cluster_refuses_is_an_error_with_the_mend(monkeypatch: pytest.MonkeyPatch) -> None:
    import ray

    def init(**options: Any) -> None:
        raise ray.exceptions.AuthenticationError("no such token")

    monkeypatch.setattr("ray.is_initialized", lambda: False)
    monkeypatch.setattr("ray.init", init)
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:6379")
    with pytest.raises(ClusterError, match=r"10\.0\.0\.1:6379 refuses the token: set RAY_AUTH_TOKEN.*no such token"):
        connect()


def test_a_cluster_of_another_version_is_named_with_both(monkeypatch: pytest.MonkeyPatch) -> None:
    from ray._private.utils import check_version_info

    def init(**options: Any) -> None:
        check_version_info({"ray_version": "1.0.0", "python_version": "3.7.1"}, "node 10.0.0.2")

    monkeypatch.setattr("ray.is_initialized", lambda: False)
    monkeypatch.setattr("ray.init", init)
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:6379")
    with pytest.raises(ClusterError, match=r"10\.0\.0\.1:6379 has other versions") as caught:
        connect()
    assert "Ray: 1.0.0" in str(caught.value)
    assert f"Ray: {ray_version}" in str(caught.value)


@pytest.mark.parametrize("has_token", [True, False])
def test_token_authentication_is_asked_for_where_there_is_a_token(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_token: bool
) -> None:
    """Without one Ray makes it for a cluster of its own, and a cluster that has none can be joined."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
        monkeypatch.setenv(name, "")  # so that it is put back
        monkeypatch.delenv(name)
    if has_token:
        (tmp_path / ".ray").mkdir()
        (tmp_path / ".ray" / "auth_token").write_text("secret")
    prepare_environment()
    assert os.environ.get("RAY_AUTH_MODE") == ("token" if has_token else None)


@pytest.mark.parametrize("is_said", ["RAY_AUTH_MODE", "RAY_AUTH_TOKEN"])
def test_what_the_user_says_of_authentication_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_said: str
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    monkeypatch.setenv(is_said, "disabled" if is_said == "RAY_AUTH_MODE" else "secret")
    prepare_environment()
    assert os.environ["RAY_AUTH_MODE"] == ("disabled" if is_said == "RAY_AUTH_MODE" else "token")
