from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from raytabdl.ensemble import Ensemble, select
from raytabdl.inputs import Array, TaskType
from raytabdl.metrics import Metric, metric
from raytabdl.persistence import make_folder, write_array, write_json
from raytabdl.run_folder import RunFolder

pytestmark = pytest.mark.ray

SIZE = 10
N_ROWS = 200
METRIC: Metric = metric("log_loss", TaskType.MULTICLASS)


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    """A run folder with the targets of three classes and no member."""
    folder = RunFolder(tmp_path / "run")
    folder.create()
    write_array(folder.path / "validation" / "0000.npy", targets())
    return folder


@pytest.fixture
def start(ray_cluster: None) -> Iterator[Callable[[RunFolder], Any]]:
    """Starts the actor of a folder; it is ended with the test."""
    import ray

    from raytabdl.runtime.ensemble_actor import start_ensemble_actor

    actors = []

    def start_one(folder: RunFolder) -> Any:
        actor = start_ensemble_actor(f"test-{time.monotonic_ns()}", folder, METRIC, SIZE, time.time())
        actors.append(actor)
        return actor

    yield start_one
    for actor in actors:
        ray.kill(actor)


def targets() -> Array:
    return np.random.default_rng(0).integers(0, 3, N_ROWS)


def members(n: int) -> dict[str, Array]:
    """Predictions of trials that are right on different rows."""
    y, predictions = targets(), {}
    for i in range(n):
        rng = np.random.default_rng(100 + i)
        logits = rng.normal(size=(N_ROWS, 3))
        logits[np.arange(N_ROWS), y] += 1.5 * (rng.random(N_ROWS) < 0.7)
        predictions[f"{i:04d}@{3 ** (i % 4)}"] = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return predictions


def publish(folder: RunFolder, predictions: dict[str, Array]) -> None:
    make_folder(folder.predictions)
    for member, values in predictions.items():
        write_array(folder.predictions / f"{member}.npy", values)


def settled(actor: Any, predictions: dict[str, Array]) -> Ensemble | None:
    """The ensemble once the actor has taken in the members."""
    import ray

    ray.get([actor.add.remote(member) for member in predictions])
    ensemble: Ensemble | None = ray.get(actor.settle.remote())
    return ensemble


def chosen(predictions: dict[str, Array]) -> Ensemble:
    """What selecting among all of them at once gives, best first as the actor looks at them."""
    y = targets()
    best_first = sorted(predictions, key=lambda member: METRIC.loss(y, predictions[member]))
    return select({member: predictions[member] for member in best_first}, y, METRIC, size=SIZE)


def test_there_is_no_incumbent_before_the_first_member(folder: RunFolder, start: Callable[[RunFolder], Any]) -> None:
    import ray

    actor = start(folder)
    assert ray.get(actor.incumbent.remote()) is None
    assert ray.get(actor.settle.remote()) is None
    assert folder.read_trajectory() == []


@pytest.mark.parametrize("order", [0, 1])
def test_the_ensemble_is_that_of_all_members_in_whatever_order_they_came(
    folder: RunFolder, start: Callable[[RunFolder], Any], order: int
) -> None:
    import ray

    predictions = members(12)
    publish(folder, predictions)
    empty = RunFolder(folder.path.with_name("later"))
    empty.create()
    write_array(empty.path / "validation" / "0000.npy", targets())
    actor = start(empty)  # it knows of no member until it is told
    ray.get(actor.incumbent.remote())
    publish(empty, predictions)
    names = list(np.random.default_rng(order).permutation(list(predictions)))
    ensemble = settled(actor, {str(name): predictions[str(name)] for name in names})
    assert ensemble == chosen(predictions)
    assert len(chosen(predictions).weights) > 2
    assert settled(actor, {names[0]: predictions[names[0]]}) == ensemble  # twice changes nothing


def test_the_trajectory_never_rises_and_ends_with_the_incumbent(
    folder: RunFolder, start: Callable[[RunFolder], Any]
) -> None:
    import ray

    actor = start(folder)
    ray.get(actor.incumbent.remote())
    predictions = members(5)
    for member, values in predictions.items():  # a selection after each
        publish(folder, {member: values})
        settled(actor, {member: values})
    trajectory = folder.read_trajectory()
    times, losses = [seconds for seconds, _ in trajectory], [ensemble.loss for _, ensemble in trajectory]
    assert len(trajectory) >= 3
    assert times == sorted(times)
    assert all(later <= earlier + 1e-9 for earlier, later in pairwise(losses))
    assert trajectory[-1][1] == ray.get(actor.incumbent.remote()) == chosen(predictions)


def test_a_burst_of_members_costs_few_selections(folder: RunFolder, start: Callable[[RunFolder], Any]) -> None:
    import ray

    actor = start(folder)
    ray.get(actor.incumbent.remote())
    predictions = members(40)
    publish(folder, predictions)
    assert settled(actor, predictions) == chosen(predictions)
    assert 1 <= len(folder.read_trajectory()) <= 5


def test_a_killed_actor_comes_back_with_its_ensemble_and_takes_new_members(
    folder: RunFolder, start: Callable[[RunFolder], Any]
) -> None:
    import ray

    predictions = members(10)
    old = dict(list(predictions.items())[:6])
    publish(folder, old)
    actor = start(folder)
    before = settled(actor, old)
    trajectory = folder.read_trajectory()
    pid = ray.get(actor.__ray_call__.remote(lambda self: os.getpid()))
    assert before == chosen(old)
    os.kill(pid, signal.SIGKILL)
    assert ray.get(actor.incumbent.remote(), timeout=60) == before
    assert ray.get(actor.__ray_call__.remote(lambda self: os.getpid())) != pid
    assert folder.read_trajectory() == trajectory
    publish(folder, predictions)
    assert settled(actor, predictions) == chosen(predictions)


def test_a_long_run_keeps_no_more_models_than_it_may_and_its_ensemble_is_that_of_all(
    folder: RunFolder, start: Callable[[RunFolder], Any]
) -> None:
    import ray

    actor, most = start(folder), 45  # the best forty are never in excess
    ray.get(actor.__ray_call__.remote(lambda self: setattr(self._on_disk, "_most_members", most)))
    predictions, broken = members(80), {"0099@1": np.full((N_ROWS, 3), np.nan)}
    for member in (*broken, *predictions):
        write_json(make_folder(folder.model(member)) / "pipeline.json", {"config": {"model": "mlp"}})
    publish(folder, {**broken, **predictions})
    ray.get([actor.add.remote(member) for member in (*broken, *predictions)])
    ends = time.monotonic() + 60
    while len(folder.members()) > most or len(list(folder.models.iterdir())) > most:
        assert time.monotonic() < ends
        time.sleep(0.1)
    assert not set(broken) & set(folder.members())
    told = {member for _, ensemble in folder.read_trajectory() for member in ensemble.weights}
    assert told <= set(folder.members()) == {path.name for path in folder.models.iterdir()}
    deleted = next(member for member in predictions if member not in folder.members())
    assert settled(actor, {deleted: predictions[deleted]}) == chosen(predictions)  # told of again, as after a restart
    # Of predictions it holds those that a selection looks at.
    held = ray.get(actor.__ray_call__.remote(lambda self: (len(self._builder.losses), len(self._builder.predictions))))
    assert held == (most, 40)
    os.kill(ray.get(actor.__ray_call__.remote(lambda self: os.getpid())), signal.SIGKILL)
    assert ray.get(actor.incumbent.remote(), timeout=60) == chosen(predictions)
