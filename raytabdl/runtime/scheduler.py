"""Hyperband for BOHB under Tune, without the rung barrier."""

from __future__ import annotations

from typing import Any

import ray
from ray.tune.experiment import Trial
from ray.tune.schedulers import HyperBandForBOHB
from ray.tune.schedulers.trial_scheduler import TrialScheduler

from raytabdl.history import Status
from raytabdl.runtime.recorder import Recorder
from raytabdl.runtime.searcher import PortfolioBOHB
from raytabdl.runtime.trainable import Report
from raytabdl.search.brackets import Decision, Race


class AsynchronousHyperBandForBOHB(HyperBandForBOHB):
    """Promotes a trial as soon as it is among the best of its rung; the rule is ``search.brackets.Race``.

    Where it departs from Tune's: no trial waits until its bracket is full; a failure counts as the worst
    loss of its rung and triggers no halving; a trial that is retried stays in its bracket; the searcher also
    hears of the results of trials that are stopped.
    """

    def __init__(self, race: Race, searcher: PortfolioBOHB, recorder: Recorder) -> None:
        super().__init__(
            time_attr="budget",
            metric="loss",
            mode="min",
            max_t=race.budgets.max_budget,
            reduction_factor=race.budgets.eta,
        )
        self._race = race
        self._searcher = searcher
        self._recorder = recorder
        self._trials: dict[str, Trial] = {}
        self._seconds: dict[str, float] = {}  # spent by each trial since it was last judged
        self._controller: Any = None

    def running(self) -> list[Trial]:
        """The trials that a worker is busy with."""
        return [trial for trial in self._trials.values() if trial.status == Trial.RUNNING]

    def kill_workers(self) -> None:
        """Ends all workers: at the end of a search Tune waits 5 seconds for one that is busy or still starting."""
        if self._controller is not None:
            for actor, _ in list(self._controller._actor_manager._live_actors_to_ray_actors_resources.values()):
                ray.kill(actor)

    def on_trial_add(self, tune_controller: Any, trial: Trial) -> None:
        self._controller = tune_controller
        name = trial.config["trial"]
        self._trials[name] = trial
        if name in self._race:
            # Retried after its worker was lost, or of an earlier run, where it may have waited.
            if name in self._race.promotable():
                self._promote(name)
            return
        bracket = self._race.add(name)
        config = trial.config
        self._recorder.suggested(name, config["config"], config["origin"], bracket, config["seed"])

    def on_trial_result(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> str:
        name = trial.config["trial"]
        report: Report = result["report"]
        seconds = self._seconds.pop(name, 0.0) + report.seconds.total
        if report.failure:
            self._race.fail(name)
            self._recorder.changed(name, Status.FAILED, report.failure)
            self._tell_searcher(trial, result, self._race.milestone(name), 0.0)
            return str(TrialScheduler.STOP)
        if report.points or report.member:
            self._recorder.reported(name, report)
        if report.is_out_of_time:
            # Its predictions count; in the race it stays where it was, to go on if the run is resumed.
            return str(TrialScheduler.STOP)
        milestone = self._race.milestone(name)
        decision = self._race.report(name, report.budget, report.loss)
        if decision is Decision.CONTINUE:
            self._seconds[name] = seconds
            return str(TrialScheduler.CONTINUE)
        result["hyperband_info"] = {"budget": milestone, "seconds": seconds}
        if decision is Decision.PROMOTE:
            self._promote(name)
            return str(TrialScheduler.CONTINUE)
        if decision is Decision.PAUSE:
            self._recorder.changed(name, Status.PAUSED)
            tune_controller.search_alg.searcher.on_pause(trial.trial_id)
            return str(TrialScheduler.PAUSE)
        self._race.stop(name)
        is_complete = milestone == self._race.budgets.max_budget
        self._recorder.changed(name, Status.COMPLETED if is_complete else Status.STOPPED)
        self._tell_searcher(trial, result, milestone, seconds)
        return str(TrialScheduler.STOP)

    def choose_trial_to_run(self, tune_controller: Any, allow_recurse: bool = True) -> Trial | None:
        for name in self._race.hopeless():
            trial = self._trials.get(name)
            if trial is None:
                self._end(name)  # of an earlier run
            elif trial.status == Trial.PAUSED and not trial.is_saving:
                tune_controller.stop_trial(trial)
        for name in self._race.promotable():
            trial = self._trials.get(name)
            if trial is not None and trial.status == Trial.PAUSED and not trial.is_saving:
                self._promote(name)
                self._unpause_trial(tune_controller, trial)
                return trial
        return next((trial for trial in self._trials.values() if trial.status == Trial.PENDING), None)

    def on_trial_remove(self, tune_controller: Any, trial: Trial) -> None:
        self._end(trial.config["trial"])

    def on_trial_complete(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> None:
        """Nothing: what a result means was decided when it came."""

    def on_trial_error(self, tune_controller: Any, trial: Trial) -> None:
        if trial.status == Trial.ERROR:
            return  # its worker was lost, and Tune is about to start it again
        name = trial.config["trial"]
        self._race.fail(name)
        self._recorder.changed(name, Status.FAILED, f"the worker was lost {trial.num_failures} times")

    def debug_string(self) -> str:
        return f"AsynchronousHyperBandForBOHB: {self._race.rung_occupancy()}"

    def __getstate__(self) -> dict[str, Any]:
        """Nothing: a run is resumed from its own records, not from Tune's pickles."""
        return {}

    def _promote(self, name: str) -> None:
        budget = self._race.milestone(name)
        self._race.promote(name)
        self._recorder.changed(name, Status.RUNNING, f"promoted from budget {budget}")

    def _end(self, name: str) -> None:
        self._searcher.forget(name)
        self._race.stop(name)
        self._recorder.changed(name, Status.STOPPED)

    def _tell_searcher(self, trial: Trial, result: dict[str, Any], budget: int, seconds: float) -> None:
        """The controller does not, where the decision is to stop."""
        info = {"budget": budget, "seconds": seconds}
        self._searcher.on_trial_result(trial.trial_id, {**result, "hyperband_info": info})
