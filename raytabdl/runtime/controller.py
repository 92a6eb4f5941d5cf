"""What Tune has no settings for: what it keeps, workers ended at once, and searches of several threads."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import ray
from ray import tune
from ray.air.execution import FixedResourceManager
from ray.tune.execution import tune_controller
from ray.tune.execution.class_cache import _ActorClassCache
from ray.tune.execution.tune_controller import TuneController
from ray.tune.registry import TRAINABLE_CLASS, _global_registry, register_trainable

from raytabdl.runtime.shared import shared


class NotKept:
    """Tune pickles what it is given, for a restore that is never made here: a run is resumed from its own records."""

    def __getstate__(self) -> dict[str, Any]:
        return {}


@shared
@contextmanager
def without_snapshots() -> Iterator[None]:
    """Within the block Tune's snapshots hold no trials; a run is resumed from its own records.

    Each would hold all trials ever made, some 20 KB a trial, and be written anew every few seconds.
    """
    stock = TuneController._get_trial_checkpoints

    def none(controller: TuneController) -> dict[str, str]:
        return {}

    TuneController._get_trial_checkpoints = none  # type: ignore[method-assign, assignment]
    try:
        yield
    finally:
        TuneController._get_trial_checkpoints = stock  # type: ignore[method-assign]


class _PlainActors(_ActorClassCache):
    """Trials as actors without a runtime environment: the workers inherit that of this process."""

    def get(self, trainable_cls: type[tune.Trainable]) -> Any:
        if trainable_cls not in self._cache:
            self._cache[trainable_cls] = ray.remote(trainable_cls)
        return self._cache[trainable_cls]


@shared
@contextmanager
def in_started_workers() -> Iterator[None]:
    """Within the block trials take the workers that a Ray of this process starts ahead, which saves seconds.

    Tune would have new ones started: it hands on variables of the environment, and asks for placement groups, each
    of which runs a task to say that it is there, after which its worker is none for actors any more.
    """
    ours = {"_ActorClassCache": _PlainActors, "PlacementGroupResourceManager": FixedResourceManager}
    stock = {name: getattr(tune_controller, name) for name in ours}
    try:
        for name, value in ours.items():
            setattr(tune_controller, name, value)
        yield
    finally:
        for name, value in stock.items():
            setattr(tune_controller, name, value)


_REGISTRY = threading.Lock()


@contextmanager
def registered(trainable: type[tune.Trainable]) -> Iterator[str]:
    """The name of a trainable for Tune, for the block, which no other search has.

    By the name of its class another search at the same time would be handed it too. Tune's registry of the process is
    for one thread at a time.
    """
    name = f"{trainable.__name__}-{uuid.uuid4().hex[:12]}"
    with _REGISTRY:
        register_trainable(name, trainable)
    try:
        yield name
    finally:
        with _REGISTRY:
            _global_registry.unregister(TRAINABLE_CLASS, name)


def kill_workers(controller: Any) -> None:
    """Ends all workers: at the end of a run Tune would wait 5 seconds for one that is busy or still starting."""
    for actor, _ in list(_live(controller).values()):
        ray.kill(actor)


def kill_worker_of(controller: Any, trial: Any) -> bool:
    """Ends the worker of a trial, and says whether it has one."""
    actor, _ = _live(controller).get(controller._trial_to_actor.get(trial), (None, None))
    if actor is None:
        return False
    ray.kill(actor)
    return True


def _live(controller: Any) -> dict[Any, Any]:
    """The actor and the resources of each tracked actor that is alive."""
    live: dict[Any, Any] = controller._actor_manager._live_actors_to_ray_actors_resources
    return live
