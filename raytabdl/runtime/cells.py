"""A list of independent trainings run as Tune trials, one after another on each worker."""

from __future__ import annotations

import shutil
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ray import tune
from ray.tune import Stopper
from ray.tune.experiment import Trial as TuneTrial
from ray.tune.schedulers import FIFOScheduler
from ray.tune.schedulers.trial_scheduler import TrialScheduler
from ray.tune.search import Searcher

from raytabdl.failures import last_line
from raytabdl.runtime.controller import NotKept, kill_workers, without_snapshots
from raytabdl.runtime.tune import MAX_WORKER_LOSSES, quiet

REPORT = "report"
"""The key of a result under which a trainable tells what it did: an object, which Tune would flatten otherwise."""


@dataclass(frozen=True)
class Cell:
    """One training: a configuration on a data set."""

    name: str
    data_set: str
    settings: Mapping[str, Any]


@dataclass(frozen=True)
class Cells:
    """What is run, and how. ``on_report`` gives whether the cell is done; ``on_lost`` hears why one never will be.

    ``is_over`` is asked all the time: once it holds, what trains is ended at once and nothing else is begun.
    """

    cells: Sequence[Cell]
    on_report: Callable[[Cell, Any], bool]
    on_lost: Callable[[Cell, str], None]
    is_over: Callable[[], bool]
    n_workers: int
    storage: Path


def run_cells(cells: Cells, trainable: type[tune.Trainable], **parameters: Any) -> None:
    """Runs all cells, in their order. ``parameters`` go to the ``setup`` of the trainable, put into Ray once.

    A cell whose worker was lost is begun anew, twice at most.
    """
    scheduler = _Told(cells)
    tuner = tune.Tuner(
        tune.with_resources(tune.with_parameters(trainable, **parameters), {"cpu": 1}),
        tune_config=tune.TuneConfig(
            search_alg=_Listed(cells),
            scheduler=scheduler,
            num_samples=-1,
            # Without these two most workers are idle: each trial would start a process of its own.
            reuse_actors=True,
            max_concurrent_trials=cells.n_workers,
            trial_dirname_creator=lambda trial: str(trial.trial_id),
        ),
        run_config=tune.RunConfig(
            name="cells",
            storage_path=str(cells.storage),
            stop=_Over(cells, scheduler),
            failure_config=tune.FailureConfig(max_failures=MAX_WORKER_LOSSES),
            checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
            verbose=0,
        ),
    )
    try:
        with quiet(), without_snapshots():
            tuner.fit()
    finally:
        shutil.rmtree(cells.storage, ignore_errors=True)


class _Listed(NotKept, Searcher):
    """Hands out the cells in their order."""

    def __init__(self, cells: Cells) -> None:
        super().__init__(metric=REPORT, mode="min")
        self._left = deque(cells.cells)
        self._is_over = cells.is_over

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:  # type: ignore[override]  # FINISHED is a string
        if not self._left or self._is_over():
            return str(Searcher.FINISHED)
        return {"cell": self._left.popleft()}

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Nothing: the order of the cells does not depend on results."""

    def save(self, checkpoint_path: str) -> None:
        """Nothing: what is finished is in the study's folder."""

    def restore(self, checkpoint_path: str) -> None:
        raise NotImplementedError("a study goes on by the command that began it")


class _Told(NotKept, FIFOScheduler):
    """Passes on what trials report, and ends those that are done."""

    def __init__(self, cells: Cells) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._cells = cells
        self._controller: Any = None

    def kill_workers(self) -> None:
        if self._controller is not None:
            kill_workers(self._controller)

    def on_trial_add(self, tune_controller: Any, trial: TuneTrial) -> None:
        self._controller = tune_controller

    def on_trial_result(self, tune_controller: Any, trial: TuneTrial, result: dict[str, Any]) -> str:
        # Tune would keep the report with the trial, and write it into its own files.
        is_done = self._cells.on_report(trial.config["cell"], result.pop(REPORT))
        return str(TrialScheduler.STOP if is_done else TrialScheduler.CONTINUE)

    def on_trial_error(self, tune_controller: Any, trial: TuneTrial) -> None:
        if trial.status == TuneTrial.ERROR or self._cells.is_over():
            return  # its worker was lost, and Tune is about to start it again; or it was killed at the end
        cause = last_line(str(trial.get_error() or "Ray gives no cause"))
        lost = f"the worker was lost {trial.num_failures} times: {cause}"
        self._cells.on_lost(trial.config["cell"], lost)


class _Over(NotKept, Stopper):
    """Ends all trials once it is over; they are begun anew another time."""

    def __init__(self, cells: Cells, scheduler: _Told) -> None:
        self._cells = cells
        self._scheduler = scheduler

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        return False

    def stop_all(self) -> bool:
        if not self._cells.is_over():
            return False
        self._scheduler.kill_workers()
        return True
