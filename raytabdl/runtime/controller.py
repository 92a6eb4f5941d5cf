"""The workers of Tune's controller, which it has no method to end at once."""

from __future__ import annotations

from typing import Any

import ray


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
