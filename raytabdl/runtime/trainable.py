"""One trial on a Ray worker: a pipeline that is trained step by step."""

from __future__ import annotations

import contextlib
import math
import os
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import ray
from ray import tune

from raytabdl.component import Config, Horizon
from raytabdl.exceptions import RunFolderError
from raytabdl.history import Seconds
from raytabdl.metrics import Metric, logged
from raytabdl.pipeline import Pipeline, Point, make_pipeline
from raytabdl.preprocessing import FoldCache
from raytabdl.run_folder import RunFolder
from raytabdl.runtime.gpus import is_unseen
from raytabdl.runtime.limits import MemoryWatch, TrialLimits, half_batches, hide_gpus, is_out_of_memory
from raytabdl.runtime.threads import one_thread
from raytabdl.space import Choices
from raytabdl.task import Task

TIME_SHARE = 0.9
"""Of the time that is left, in which a network is to end."""

STEP_SECONDS = 0.7
"""A step ends after so long, so that the driver hears of a trial about once a second at little cost."""


@dataclass(frozen=True, kw_only=True)
class Assignment:
    """What all trials of a run share beside the task.

    ``ends_at`` is wall time (seconds since 1970) from which no trial trains any more; ``rungs`` are the
    budgets at which trials publish predictions and may be paused.
    """

    folder: RunFolder
    choices: Choices
    horizon: Horizon
    rungs: tuple[int, ...]
    metric: Metric
    ends_at: float
    full_trial_seconds: float
    """What a network may take to the full budget."""
    ensemble: str
    """The name of the ensemble actor, which is started after the first trials."""
    limits: TrialLimits = field(default_factory=TrialLimits)


@dataclass(frozen=True)
class Report:
    """What a step tells the driver.

    ``loss`` is the rung loss of the best point so far; ``member`` is set where its predictions were
    published. ``failure`` holds the traceback of a trial that crashed, ``retried`` why one begins anew at its last
    checkpoint.
    """

    budget: int
    loss: float
    points: tuple[Point, ...] = ()
    seconds: Seconds = field(default_factory=Seconds)
    metric_loss: float = math.inf
    scores: dict[str, float] | None = None
    member: str | None = None
    failure: str = ""
    began_at: float = 0.0
    """Wall time at which the step began."""
    is_out_of_time: bool = False
    is_timed_out: bool = False
    """Out of its own time, not of that of the run."""
    is_out_of_memory: bool = False
    retried: str = ""
    n_parameters: int | None = None
    has_unseen_gpu: bool = False
    """Trained on the CPU, though Ray has assigned a GPU."""


class PipelineTrainable(tune.Trainable):
    """Trains the pipeline of a configuration; a long-lived actor that is handed one trial after the other.

    A trial's state lies in the run folder, written at each rung, so that it can go on in this actor, in
    another one, or in another run; Tune's own checkpoint is empty.
    """

    def setup(  # type: ignore[override]  # tune.with_parameters adds the arguments
        self, config: dict[str, Any], task: Task, assignment: Assignment
    ) -> None:
        if not assignment.folder.run_json.exists():
            raise RunFolderError(f"{assignment.folder.path} is not on this node: what a trial writes would be lost")
        self.task = task
        self.assignment = assignment
        hide_gpus(ray.get_gpu_ids())
        self._has_unseen_gpu = is_unseen(ray.get_gpu_ids())
        self._cache = FoldCache(assignment.folder.cache)
        self._ensemble: Any = None
        # Wall time may jump; it is read once.
        self._ends = time.monotonic() + assignment.ends_at - time.time()
        one_thread()
        self.reset_config(config)
        if assignment.limits.gigabytes is not None:
            MemoryWatch(assignment.limits.gigabytes, self._end_worker)

    def __repr__(self) -> str:
        """What Ray's dashboard shows; it asks once, and the actor is handed many trials."""
        return f"PipelineTrainable(run {self.assignment.folder.path.name})"

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self._trial_id: str = new_config["trial"]
        config: Config = new_config["config"]
        smaller = half_batches(config) if new_config["is_halved"] else None
        self._config = smaller or config
        self._is_halved: bool = new_config["is_halved"]
        self._seed: int = new_config["seed"]
        self._fold: int = new_config["fold"]
        # On another fold than the first a trial is not judged: it trains as long as the one that it repeats did.
        self._rungs = self.assignment.rungs if self._fold == 0 else (new_config["train_to"],)
        self._truth = self.task.truth(self._fold)
        self._pipeline: Pipeline | None = None
        self._course: Iterator[Point] | None = None
        self._longest_s = 0.0
        self._stops = time.monotonic() + self.assignment.limits.seconds - new_config["spent_s"]
        self._published = 0  # the budget of the last predictions
        return True

    def step(self) -> dict[str, Any]:
        try:
            report = self._train()
        except Exception as error:  # noqa: BLE001
            # A network of the user's own may raise anything. Left to Ray it would count as a lost worker, be
            # retried, and take its actor down.
            self._course = self._pipeline = None
            report = self._failed(is_out_of_memory(error))
        return {"budget": report.budget, "loss": report.loss, "report": report}

    def _failed(self, is_out_of_memory: bool) -> Report:
        """What came of the exception that is being handled; want of memory is met with smaller batches, once."""
        smaller = half_batches(self._config)
        if is_out_of_memory and not self._is_halved and smaller is not None:
            self._config, self._is_halved = smaller, True
            return Report(budget=0, loss=math.inf, retried="out of memory: goes on with batches of half the size")
        return Report(budget=0, loss=math.inf, failure=traceback.format_exc(), is_out_of_memory=is_out_of_memory)

    def _end_worker(self, gigabytes: float) -> None:
        """Ends this process; the driver starts the trial once more in another one."""
        try:
            self.assignment.folder.note_memout(self._trial_id, gigabytes)
        finally:
            os._exit(1)  # also where the disk is full

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Nothing: trials are paused at rungs only, where their state was just written to the run folder."""

    def load_checkpoint(self, checkpoint: Any) -> None:
        """Nothing: the state is read from the run folder."""

    def _train(self) -> Report:
        """Trains until a rung, until the step is long enough, or until the time is up."""
        began_at, began = time.time(), time.monotonic()
        if self._course is None:
            self._course = self._start()
        pipeline = self._pipeline
        assert pipeline is not None
        points: list[Point] = []
        is_out_of_time = is_at_rung = False
        while not (is_at_rung or is_out_of_time) and time.monotonic() - began < STEP_SECONDS:
            is_out_of_time = time.monotonic() + 1.2 * self._longest_s > min(self._ends, self._stops)
            if is_out_of_time:
                break
            budget = pipeline.budget
            point = next(self._course, None)
            if point is None:
                break
            points.append(point)
            self._longest_s = max(self._longest_s, point.training_s + point.evaluation_s)
            is_at_rung = any(budget < rung <= pipeline.budget for rung in self._rungs)
        training_s, evaluation_s = sum(p.training_s for p in points), sum(p.evaluation_s for p in points)
        if pipeline.best_predictions is None and is_at_rung:
            raise FloatingPointError(
                f"no epoch up to budget {pipeline.budget} gave finite predictions: {[p.rung_loss for p in points]}"
            )
        publishing = time.monotonic()
        setup_s = publishing - began - training_s - evaluation_s
        member, metric_loss, scores = None, math.inf, None
        is_new = pipeline.best_predictions is not None and pipeline.budget > self._published
        if is_new and (is_at_rung or (is_out_of_time and self._fold == 0)):
            assert pipeline.best_predictions is not None
            self._published = pipeline.budget
            member = self.assignment.folder.publish(pipeline, self._trial_id)
            self._announce(member)
            truth, predictions = self._truth, pipeline.best_predictions
            metric_loss = self.assignment.metric.loss(truth.y, predictions, truth.weights)
            scores = logged(self.task.target.task_type, truth, predictions)
            if not is_out_of_time and self._fold == 0 and pipeline.budget < pipeline.horizon.max_budget:
                self.assignment.folder.write_checkpoint(pipeline, self._trial_id)
        seconds = Seconds(training_s, evaluation_s, time.monotonic() - publishing, setup_s)
        return Report(
            budget=pipeline.budget,
            loss=pipeline.best_loss,
            points=tuple(points),
            seconds=seconds,
            metric_loss=metric_loss,
            scores=scores,
            member=member,
            began_at=began_at,
            is_out_of_time=is_out_of_time,
            is_timed_out=is_out_of_time and self._stops < self._ends,
            n_parameters=pipeline.n_parameters,
            has_unseen_gpu=self._has_unseen_gpu,
        )

    def _announce(self, member: str) -> None:
        """Tells the ensemble actor; before it is there nobody need be told, since it reads the run folder first."""
        if self._ensemble is None:
            with contextlib.suppress(ValueError):
                self._ensemble = ray.get_actor(self.assignment.ensemble)
        if self._ensemble is not None:
            self._ensemble.add.remote(member)

    def _start(self) -> Iterator[Point]:
        """The course of the trial's pipeline, from its checkpoint where there is one."""
        assignment = self.assignment
        self._pipeline = make_pipeline(
            self._config, assignment.choices, self.task.target, assignment.horizon, self._seed, self._cache
        )
        checkpoint = assignment.folder.checkpoint(self._trial_id)
        if checkpoint.exists():
            self._pipeline.load_progress(self.task, self._fold, checkpoint)
            self._published = self._pipeline.budget
        # What goes on from a checkpoint keeps the horizon that it began with.
        left_s = TIME_SHARE * (min(self._ends, self._stops) - time.monotonic())
        left_s *= assignment.horizon.max_budget / self._rungs[-1]
        return self._pipeline.train(self.task, self._fold, min(assignment.full_trial_seconds, left_s))
