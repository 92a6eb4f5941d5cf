"""The one writer of a run's trials and curves."""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass, field

from raytabdl.clock import Clock
from raytabdl.history import Change, History, Result, Seconds, Status, Trial
from raytabdl.run_folder import RunFolder
from raytabdl.runtime.trainable import Report


@dataclass
class Recorder:
    """Writes what happens to trials, with the seconds since the start of the fit."""

    folder: RunFolder
    history: History
    clock: Clock
    _has_first_step: bool = False
    _seconds: dict[str, Seconds] = field(default_factory=dict)

    def suggested(self, trial: Trial) -> None:
        self.history.append(trial)

    def reported(self, trial_id: str, report: Report) -> None:
        """Writes the points of a step, and a result where predictions were published."""
        self.folder.write_curve(trial_id, list(report.points))
        if not self._has_first_step:
            self._has_first_step = True
            began = self.clock.elapsed() - (time.time() - report.began_at)
            self.folder.write_phase("first step", began, began)
        seconds = self._seconds.get(trial_id, Seconds()) + report.seconds
        self._seconds[trial_id] = seconds
        if report.member is None:
            return
        del self._seconds[trial_id]
        self.history.append(
            Result(
                trial_id=trial_id,
                budget=report.budget,
                rung_loss=report.loss,
                loss=report.metric_loss,
                scores=report.scores or {},
                seconds=seconds,
                time=self.clock.elapsed(),
                member=report.member,
                n_parameters=report.n_parameters,
            )
        )

    def changed(self, trial_id: str, status: Status, reason: str = "") -> None:
        self.history.append(Change(trial_id, status, self.clock.elapsed(), reason))
        if status not in (Status.RUNNING, Status.PAUSED):  # it does not go on
            shutil.rmtree(self.folder.checkpoint(trial_id), ignore_errors=True)
