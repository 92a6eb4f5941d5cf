"""LCBench, made: random configurations on data sets with several seeds, each training recorded as a learning curve.

Trainings are not batched, which needs networks of one shape and one size of batches: of the 19,900 pairs of 200 random
configurations of the small space 0.04 are alike in depth, width and size of batches. Nor has a batch the statistics of
gradients that LCBench logs.
"""

from __future__ import annotations

import math
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray
from ray import tune

from raytabdl.collection import StudyTask
from raytabdl.component import Horizon
from raytabdl.curves.benchmark import LearningCurve
from raytabdl.curves.folder import LINES, to_line
from raytabdl.curves.words import DIVERGED, LATE, STATUS, final_results, joined, lcbench_config
from raytabdl.pipeline import NetworkPipeline, recorded
from raytabdl.preprocessing import FoldCache
from raytabdl.runtime.cells import REPORT, Cell, Cells, run_cells
from raytabdl.runtime.estimate import Estimate, Watch
from raytabdl.runtime.lcbench_plan import CurveCell, CurveSettings
from raytabdl.runtime.threads import one_thread
from raytabdl.space import ROOT, named
from raytabdl.study_folder import StudyFolder


@dataclass(frozen=True)
class CurveReport:
    """A curve, or the traceback of a training that failed, and the seconds that it took."""

    curve: LearningCurve | None
    seconds: float
    failure: str = ""


def record_curves(
    cells: Sequence[CurveCell],
    tasks: Sequence[StudyTask],
    settings: CurveSettings,
    folder: StudyFolder,
    found: Estimate,
    *,
    n_workers: int,
    is_over: Callable[[], bool],
    watch: Watch,
) -> None:
    """Trains what the folder has no curve of, and adds each curve to it as soon as it is finished."""

    def keep(cell: Cell, line: Mapping[str, Any], seconds: float) -> None:
        folder.append(LINES, {**line, "seconds": round(seconds, 3)})
        found.finished(cell.name, seconds, is_failure="failure" in line)
        watch(found)

    def lost(cell: Cell, failure: str, seconds: float = 0.0) -> None:
        keep(cell, {"dataset": cell.data_set, "id": cell.settings["id"], "failure": failure}, seconds)

    def on_report(cell: Cell, report: CurveReport) -> bool:
        if report.curve is None:
            lost(cell, report.failure, report.seconds)
        else:
            keep(cell, to_line(cell.data_set, cell.settings["id"], report.curve), report.seconds)
        return True

    left = [
        Cell(cell.name, cell.data_set, {"id": cell.id, "config": dict(cell.config), "seed": cell.seed})
        for cell in cells
        if cell.name not in found.finished_s
    ]
    references = {task.name: ray.put(task) for task in tasks}
    run = Cells(left, on_report, lost, is_over, n_workers, folder.path / "tune")
    run_cells(run, CurveTrainable, tasks=references, settings=settings, cache=str(run.storage / "cache"))


class CurveTrainable(tune.Trainable):
    """Trains one configuration to its end, and reports its curve; a long-lived actor."""

    def setup(  # type: ignore[override]  # tune.with_parameters adds the arguments
        self, config: dict[str, Any], tasks: Mapping[str, Any], settings: CurveSettings, cache: str
    ) -> None:
        self._tasks = tasks
        self._settings = settings
        self._cache = FoldCache(Path(cache))
        one_thread()
        self.reset_config(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self._cell: Cell = new_config["cell"]
        return True

    def step(self) -> dict[str, Any]:
        began = time.perf_counter()
        study_task: StudyTask = ray.get(self._tasks[self._cell.data_set])
        try:
            curve = record_curve(self._cell, study_task, self._settings, self._cache)
        except Exception:  # noqa: BLE001  # left to Ray it would count as a lost worker, and be trained again
            return {REPORT: CurveReport(None, time.perf_counter() - began, traceback.format_exc())}
        return {REPORT: CurveReport(curve, time.perf_counter() - began)}

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Nothing: a training that was broken off is begun anew."""

    def load_checkpoint(self, checkpoint: Any) -> None:
        """Nothing, as above."""


def record_curve(cell: Cell, study_task: StudyTask, settings: CurveSettings, cache: FoldCache) -> LearningCurve:
    """The curve of one training; NaN from where its loss became infinite or NaN, or it was broken off."""
    task, config, seed = study_task.task, cell.settings["config"], cell.settings["seed"]
    horizon = Horizon(settings.n_epochs, settings.n_epochs, rows_per_epoch=len(task.split(0)[0]))
    pipeline = NetworkPipeline(config, settings.choices, task.target, horizon, seed, cache)
    records, status = _trained(pipeline, study_task, settings.most_seconds or math.inf)
    # Early stopping may have ended it before all epochs.
    n_values = horizon.epochs_of(named(settings.choices.networks, config[ROOT])) + 1 if status else len(records)
    log = joined(records, n_values)
    n_test = len(study_task.test[1]) if study_task.test else 0
    results = {
        "model_parameters": pipeline.n_parameters or 0,
        **final_results(log),
        "test_split": n_test / (len(task.y) + n_test),
        "budget": n_values - 1,
        "seed": seed,
        "instances": len(task.y) + n_test,
        "classes": task.target.n_classes,
        "features": study_task.n_columns,
        **({STATUS: status} if status else {}),
    }
    is_small = settings.preset == "small"
    return LearningCurve(lcbench_config(config, settings.n_epochs) if is_small else config, log, results)


def _trained(
    pipeline: NetworkPipeline, study_task: StudyTask, most_seconds: float
) -> tuple[list[dict[str, float]], str]:
    """The tags after each epoch, and why the training did not come to its end, if it did not."""
    records: list[dict[str, float]] = []
    try:
        for record in recorded(pipeline, study_task.task, 0, test=study_task.test):
            if records and record.seconds > most_seconds:
                return records, LATE
            records.append(record.tags())
    except FloatingPointError:
        return records, DIVERGED
    return records, ""
