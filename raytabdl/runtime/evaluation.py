"""Candidates evaluated on data sets as Tune trials: rung by rung, until they are through or among the worst."""

from __future__ import annotations

import math
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import ray
from ray import tune

from raytabdl.collection import StudyTask
from raytabdl.evaluations import LINES, End, Evaluation, predictions_file
from raytabdl.history import trial_seed
from raytabdl.metrics import metric
from raytabdl.persistence import make_folder, write_array
from raytabdl.pipeline import make_pipeline
from raytabdl.preprocessing import FoldCache
from raytabdl.runtime.cells import REPORT, Cell, Cells, run_cells
from raytabdl.runtime.estimate import Watch
from raytabdl.runtime.evaluation_plan import EvaluationSettings, EvaluationStudy, cell_name, horizon_of
from raytabdl.runtime.threads import one_thread


def evaluate(study: EvaluationStudy, *, n_workers: int, is_over: Callable[[], bool], watch: Watch) -> None:
    """Evaluates what the folder lacks, and adds each result to it as it comes."""
    folder, found, rungs = study.folder, study.found, study.rungs

    def keep(cell: Cell, line: Evaluation) -> None:
        folder.append(LINES, line.to_fields())
        if line.end:
            found.finished(cell.name, line.seconds, is_failure=line.end == End.FAILED.value)
            watch(found)

    def on_report(cell: Cell, line: Evaluation) -> bool:
        if not line.end:
            rungs.add(line)
            if rungs.leaves(line):
                line = replace(line, end=End.LEFT.value)
        keep(cell, line)
        return bool(line.end)

    def on_lost(cell: Cell, reason: str) -> None:
        keep(cell, failed(cell, 0.0, reason))

    left = [
        Cell(name, own.name, {"candidate": candidate.id, "config": dict(candidate.config)})
        for candidate, own in study.wanted
        if (name := cell_name(own.name, candidate.id)) not in found.finished_s
    ]
    for _, own in study.wanted:
        make_folder(predictions_file(folder.path, own.name, "").parent)
    references = {task.name: ray.put(task) for task in study.tasks}
    run = Cells(left, on_report, on_lost, is_over, n_workers, folder.path / "tune")
    run_cells(run, EvaluationTrainable, tasks=references, settings=study.settings, folder=str(folder.path))


class EvaluationTrainable(tune.Trainable):
    """Trains one candidate on one data set, a rung in each step; a long-lived actor."""

    def setup(  # type: ignore[override]  # tune.with_parameters adds the arguments
        self, config: dict[str, Any], tasks: Mapping[str, Any], settings: EvaluationSettings, folder: str
    ) -> None:
        self._tasks = tasks
        self._settings = settings
        self._folder = Path(folder)
        self._cache = FoldCache(self._folder / "tune" / "cache")
        one_thread()
        self.reset_config(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self._cell: Cell = new_config["cell"]
        self._course: Iterator[Evaluation] | None = None
        return True

    def step(self) -> dict[str, Any]:
        if self._course is None:
            self._began = time.perf_counter()
            study_task: StudyTask = ray.get(self._tasks[self._cell.data_set])
            self._course = course(self._cell, study_task, self._settings, self._cache, self._folder)
        try:
            line = next(self._course)
        except Exception:  # noqa: BLE001  # left to Ray it would count as a lost worker, and be trained again
            line = failed(self._cell, time.perf_counter() - self._began, traceback.format_exc())
        return {REPORT: line}

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Nothing: what was broken off is begun anew."""

    def load_checkpoint(self, checkpoint: Any) -> None:
        """Nothing, as above."""


def failed(cell: Cell, seconds: float, reason: str) -> Evaluation:
    candidate = cell.settings["candidate"]
    return Evaluation(
        cell.data_set,
        candidate,
        budget=0,
        rung_loss=math.inf,
        loss=math.inf,
        seconds=seconds,
        end=End.FAILED.value,
        reason=reason,
    )


def course(
    cell: Cell, study_task: StudyTask, settings: EvaluationSettings, cache: FoldCache, folder: Path
) -> Iterator[Evaluation]:
    """Trains a candidate on fold 0, and yields at each rung what it reached, with its predictions in the folder.

    One that has taken as long as a trial may ends at the point that it has come to.
    """
    task, candidate = study_task.task, cell.settings["candidate"]
    horizon, planned = horizon_of(study_task)
    seed = trial_seed(settings.seed, cell.name)
    pipeline = make_pipeline(cell.settings["config"], settings.choices, task.target, horizon, seed, cache)
    own_metric, y = metric(None, task.target.task_type), task.y[task.split(0)[1]]

    def reached(budget: int, seconds: float, end: str) -> Evaluation:
        predictions = pipeline.best_predictions
        if predictions is None:
            raise FloatingPointError(f"no epoch up to budget {budget} gave finite predictions")
        write_array(predictions_file(folder, cell.data_set, candidate), predictions.astype("float32"))
        loss = own_metric.loss(y, predictions)
        return Evaluation(
            cell.data_set,
            candidate,
            budget=budget,
            rung_loss=pipeline.best_loss,
            loss=loss,
            seconds=round(seconds, 3),
            end=end,
        )

    seconds = 0.0
    rungs = list(planned.budgets.rungs)
    for point in pipeline.train(task, 0, planned.full_trial_seconds):
        seconds += point.training_s + point.evaluation_s
        if point.budget >= rungs[-1]:
            yield reached(rungs[-1], seconds, End.COMPLETE.value)
            return
        if seconds > planned.full_trial_seconds:
            yield reached(point.budget, seconds, End.LATE.value)
            return
        if point.budget >= rungs[0]:
            while point.budget >= rungs[0]:
                budget = rungs.pop(0)
            yield reached(budget, seconds, "")
