"""Ray's memory monitor, which ends workers with an error that Tune does not expect."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ray.air.execution._internal.actor_manager import RayActorManager
from ray.exceptions import OutOfMemoryError, RayActorError

from raytabdl.runtime.shared import shared

NODE_OUT_OF_MEMORY = "Ray ended the worker, since its node was about to run out of memory"
"""How the error of such a worker begins."""


@shared
@contextmanager
def survived() -> Iterator[None]:
    """Within the block, a worker that Ray's memory monitor ends is one that was lost, as any other.

    In Ray 2.60 ``RayActorManager`` takes its error for none of an actor's, and raises: the whole search would end.
    """
    stock = RayActorManager._actor_task_failed

    def translated(manager: RayActorManager, tracked_actor_task: Any, exception: Exception) -> None:
        if isinstance(exception, OutOfMemoryError):
            exception = RayActorError(error_msg=f"{NODE_OUT_OF_MEMORY}: {exception}")
        stock(manager, tracked_actor_task, exception)

    RayActorManager._actor_task_failed = translated  # type: ignore[method-assign, assignment]
    try:
        yield
    finally:
        RayActorManager._actor_task_failed = stock  # type: ignore[method-assign]
