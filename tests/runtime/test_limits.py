"""What a trial may take, without Ray or with none of its workers."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from raytabdl.runtime.limits import (
    GIGABYTE,
    MemoryWatch,
    Stopwatch,
    gpu_share,
    half_batches,
    hide_gpus,
    is_out_of_memory,
    private_bytes,
)


def test_half_of_a_batch_is_half_of_it_and_the_rest_stays() -> None:
    config = {"model": "mlp", "network.mlp.batch_size": 128, "network.mlp.n_layers": 3}
    assert half_batches(config) == {**config, "network.mlp.batch_size": 64}
    assert config["network.mlp.batch_size"] == 128


@pytest.mark.parametrize(
    "config",
    [
        {"model": "catboost", "classic.catboost.depth": 6},
        {"model": "mlp", "network.realmlp.batch_size": 128},
        {"model": "mlp", "network.mlp.batch_size": 3},
    ],
)
def test_what_has_no_batch_to_halve_is_not_made_smaller(config: dict[str, Any]) -> None:
    assert half_batches(config) is None


class CatBoostError(Exception):
    """As CatBoost's own, which says so in words only."""


@pytest.mark.parametrize(
    ("error", "is_memory"),
    [
        (MemoryError(), True),
        (torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"), True),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes"), True),
        (CatBoostError("std::bad_alloc"), True),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False),
        (ValueError(), False),
    ],
)
def test_want_of_memory_is_told_from_other_failures(error: Exception, is_memory: bool) -> None:
    assert is_out_of_memory(error) is is_memory


def test_an_allocation_that_cannot_be_is_want_of_memory_to_torch_and_numpy() -> None:
    import numpy as np

    for allocate in (lambda: torch.empty(2**48), lambda: np.empty(2**56)):
        with pytest.raises((MemoryError, RuntimeError)) as raised:
            allocate()
        assert is_out_of_memory(raised.value)


def test_memory_that_is_shared_does_not_count() -> None:
    page = os.sysconf("SC_PAGE_SIZE")
    assert private_bytes("9000 500 200 10 0 400 0") == 300 * page


def held_bytes() -> int:
    return private_bytes(Path("/proc/self/statm").read_text())


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory is watched on Linux")
def test_the_watch_calls_once_the_process_takes_more_than_its_limit() -> None:
    limit, called, amounts = (held_bytes() + 100_000_000) / GIGABYTE, threading.Event(), []

    def exceeded(gigabytes: float) -> None:
        amounts.append(gigabytes)
        called.set()

    MemoryWatch(limit, exceeded)
    small = bytearray(b"x") * 20_000_000
    assert not called.wait(0.5)
    large = bytearray(b"x") * 200_000_000
    assert called.wait(20)
    assert limit < amounts[0] < limit + 1
    assert len(small) + len(large) == 220_000_000


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """What the monotonic clock says."""
    clock = SimpleNamespace(now=100.0)
    monkeypatch.setattr(time, "monotonic", lambda: clock.now)
    return clock


def test_the_seconds_of_a_trial_are_those_reported_and_those_since(clock: SimpleNamespace) -> None:
    stopwatch = Stopwatch()
    assert stopwatch.busy_s("a") == 0
    clock.now += 2
    assert stopwatch.busy_s("a") == 2
    stopwatch.reported("a", 1.5)
    assert stopwatch.busy_s("a") == 1.5
    clock.now += 1
    assert stopwatch.busy_s("a") == 2.5


def test_while_a_trial_waits_no_seconds_pass_and_those_of_a_lost_worker_count(clock: SimpleNamespace) -> None:
    stopwatch = Stopwatch()
    stopwatch.reported("a", 3.0)
    stopwatch.idle("a")
    clock.now += 50
    assert stopwatch.busy_s("a") == 3
    clock.now += 4
    stopwatch.lost("a")
    clock.now += 50
    assert stopwatch.spent_s["a"] == stopwatch.busy_s("a") == 7


def test_a_worker_that_rays_memory_monitor_ended_is_a_lost_one_to_tune() -> None:
    """And the day that Ray does so by itself, the translation can go: its own raises today."""
    from ray.air.execution._internal.actor_manager import RayActorManager
    from ray.exceptions import OutOfMemoryError, RayActorError

    from raytabdl.runtime.memory_monitor import survived

    def heard() -> list[Exception]:
        errors: list[Exception] = []
        manager = RayActorManager.__new__(RayActorManager)
        manager._failed_actor_ids, manager._cleanup_actor = set(), lambda **_: None  # type: ignore[method-assign]
        actor: Any = SimpleNamespace(actor_id=1, _on_error=None)
        task: Any = SimpleNamespace(_tracked_actor=actor, _on_error=lambda _, error: errors.append(error))
        manager._actor_task_failed(task, OutOfMemoryError("the node runs low on memory"))
        return errors

    with survived():
        (error,) = heard()
    assert isinstance(error, RayActorError)
    assert "runs low on memory" in str(error)
    with pytest.raises(RuntimeError, match="Caught unexpected exception"):
        heard()


@pytest.mark.parametrize(("assigned", "visible"), [([], ""), ([1], "0,1")])
def test_a_worker_sees_no_gpu_that_ray_has_not_assigned(
    assigned: list[int], visible: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    hide_gpus(assigned)
    assert os.environ["CUDA_VISIBLE_DEVICES"] == visible


@pytest.mark.parametrize(
    ("nodes", "n_workers", "share"),
    [
        ([{"CPU": 8.0}], 8, 0.0),
        ([{"CPU": 8.0, "GPU": 1.0}], 8, 0.125),
        ([{"CPU": 8.0, "GPU": 1.0}], 3, 0.3333),  # rounded down, or the third would find no room
        ([{"CPU": 2.0, "GPU": 4.0}], 2, 1.0),
        ([{"CPU": 4.0, "GPU": 3.0}], 4, 0.5),  # of 0.75 on each of three the fourth would find no room
        ([{"CPU": 8.0, "GPU": 3.0}], 8, 0.3333),
        ([{"CPU": 8.0, "GPU": 1.0}, {"CPU": 4.0, "GPU": 1.0}], 12, 0.125),  # of the node where it is least
        ([{"CPU": 8.0, "GPU": 1.0}, {"CPU": 4.0}], 12, 0.0),  # else the second node would be idle
        ([{"CPU": 0.0}, {"CPU": 4.0, "GPU": 2.0}], 4, 0.5),  # a head that trains nothing
        ([], 4, 0.0),
    ],
)
def test_gpus_that_nobody_asked_for_are_shared(nodes: list[dict[str, float]], n_workers: int, share: float) -> None:
    assert gpu_share(nodes, n_workers) == share
