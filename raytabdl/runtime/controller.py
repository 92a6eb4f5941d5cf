"""What Tune's controller has no settings for: its workers, ended at once, and its snapshots of all trials."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import ray
from ray.tune.execution.tune_controller import TuneController

from raytabdl.runtime.shared import shared


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
