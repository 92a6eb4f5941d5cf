"""The Ray actor that keeps the ensemble while the search runs."""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from dataclasses import replace
from typing import Any

import ray

from raytabdl.ensemble import Ensemble, EnsembleBuilder
from raytabdl.metrics import Metric
from raytabdl.run_folder import RunFolder
from raytabdl.runtime.models_on_disk import ModelsOnDisk

LEAST_PAUSE_SECONDS, MOST_PAUSE_SECONDS = 0.5, 30.0
"""Between two selections, so that a burst of predictions costs one."""

PAUSES = 4.0
"""How many times as long as a selection the pause after it is: the actor has no core of its own."""


@ray.remote(num_cpus=0, max_restarts=-1, max_task_retries=3)
class EnsembleActor:
    """Takes validation predictions as they appear in the run folder and re-selects.

    All state is rebuilt from the folder, so a killed actor comes back with the same ensemble. State changes on
    the event loop only; files are read, and members measured, selected and deleted, in a thread. Of predictions it
    holds those that a selection looks at.
    """

    def __init__(self, folder: RunFolder, metric: Metric, size: int, began_at: float) -> None:
        self._folder = folder
        self._metric = metric
        self._began_at = began_at
        self._builder: EnsembleBuilder = folder.builder(metric, size)
        self._ensemble: Ensemble | None = self._builder.ensemble()
        self._holdout: Ensemble | None = self._builder.holdout()
        self._on_disk = ModelsOnDisk(folder)
        if self._ensemble is not None:
            self._on_disk.tell(self._ensemble)
        self._is_stale = False
        self._selection: asyncio.Task[None] | None = None
        self._is_awaited = asyncio.Event()  # ends the pause between two selections

    def __repr__(self) -> str:
        """What Ray's dashboard shows; it asks once, when the actor has just been made."""
        return f"EnsembleActor(run {self._folder.path.name})"

    async def add(self, member: str) -> None:
        """Takes a member whose predictions lie in the run folder; adding it twice changes nothing."""
        if member in self._builder.losses or member in self._builder.refused:
            return
        loss = await asyncio.to_thread(self._measure, member)
        if loss is None:
            return
        if not math.isfinite(loss):
            self._builder.refused.add(member)
            return
        self._builder.losses[member] = loss
        self._is_stale = True
        if self._selection is None or self._selection.done():
            self._selection = asyncio.ensure_future(self._select())

    async def incumbent(self) -> Ensemble | None:
        """The ensemble as of now, or None where no member came yet."""
        return self._ensemble

    async def holdout(self) -> Ensemble | None:
        """The ensemble that fold 0 alone would select: its trials are worth training on the other folds."""
        return self._holdout

    async def settle(self) -> Ensemble | None:
        """The ensemble of all members in the run folder, also of those that nobody told of, once it is selected."""
        for member in await asyncio.to_thread(self._folder.members):
            await self.add(member)
        self._is_awaited.set()
        while self._selection is not None and not self._selection.done():
            await asyncio.shield(self._selection)
        self._is_awaited.clear()
        return self._ensemble

    def _measure(self, member: str) -> float | None:
        """The loss of a member; None where it was deleted since it was told of.

        Its predictions are read again if a selection looks at them: many come in the time of one.
        """
        predictions = self._folder.find_predictions(member)
        return None if predictions is None else self._builder.loss_of(member, predictions)

    async def _select(self) -> None:
        while self._is_stale:
            self._is_stale = False
            began = time.monotonic()
            builder = replace(
                self._builder,
                predictions=self._builder.predictions.copy(),
                losses=self._builder.losses.copy(),
                refused=self._builder.refused.copy(),
            )
            self._holdout = await asyncio.to_thread(builder.holdout)
            if self._holdout is None:
                continue
            ensemble = await asyncio.to_thread(builder.with_bags, self._holdout)
            await asyncio.to_thread(builder.release)
            self._builder.predictions = builder.predictions
            if ensemble != self._ensemble:
                self._ensemble = ensemble
                seconds = time.time() - self._began_at
                await asyncio.to_thread(self._folder.append_trajectory, seconds, ensemble)
                self._on_disk.tell(ensemble)
            for member in await asyncio.to_thread(self._on_disk.bound, builder, self._is_awaited.is_set):
                self._builder.forget(member)
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._is_awaited.wait(), pause_seconds(time.monotonic() - began))


def pause_seconds(took_s: float) -> float:
    """What is waited after a selection that took so long; who asks for the last one ends the wait."""
    return min(max(LEAST_PAUSE_SECONDS, PAUSES * took_s), MOST_PAUSE_SECONDS)


def start_ensemble_actor(name: str, folder: RunFolder, metric: Metric, size: int, began_at: float) -> Any:
    """A handle of the named actor of a run."""
    return EnsembleActor.options(name=name).remote(folder, metric, size, began_at)  # type: ignore[attr-defined]
