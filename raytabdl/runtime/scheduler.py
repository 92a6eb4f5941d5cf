"""Hyperband for BOHB under Tune, without the rung barrier."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

from ray.tune.experiment import Trial as TuneTrial
from ray.tune.schedulers import HyperBandForBOHB
from ray.tune.schedulers.trial_scheduler import TrialScheduler

from raytabdl.history import Status, Trial
from raytabdl.runtime.controller import NotKept, kill_worker_of, kill_workers
from raytabdl.runtime.limits import GRACE_SECONDS, TOO_SLOW, Stopwatch, TrialLimits
from raytabdl.runtime.memory_monitor import NODE_OUT_OF_MEMORY
from raytabdl.runtime.recorder import Recorder
from raytabdl.runtime.searcher import PortfolioBOHB
from raytabdl.runtime.trainable import Report
from raytabdl.search.brackets import Decision, Race
from raytabdl.search.cost import Pace
from raytabdl.space import ROOT


class AsynchronousHyperBandForBOHB(NotKept, HyperBandForBOHB):
    """Promotes a trial as soon as it is among the best of its rung; the rule is ``search.brackets.Race``.

    Where it departs from Tune's: no trial waits until its bracket is full; a failure counts as the worst
    loss of its rung and triggers no halving; a trial that is retried stays in its bracket; the searcher also
    hears of the results of trials that are stopped.
    """

    def __init__(
        self,
        race: Race,
        searcher: PortfolioBOHB,
        recorder: Recorder,
        most_trial_seconds: float = math.inf,
        limits: TrialLimits | None = None,
    ) -> None:
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
        self._most_trial_seconds = most_trial_seconds
        self._limits = limits or TrialLimits()
        self._stopwatch = Stopwatch()
        self._reached: dict[str, int] = {}  # the budgets that trials of an earlier run have come to
        for result in recorder.history.results:
            self._reached[result.trial_id] = result.budget
            self._stopwatch.reported(result.trial_id, result.seconds.total)
            self._stopwatch.idle(result.trial_id)
        self._late: set[str] = set()  # trials whose workers were killed at their limit
        self._trials: dict[str, TuneTrial] = {}
        self._paces: dict[str, Pace] = {}
        self._controller: Any = None

    def running(self) -> list[TuneTrial]:
        """The trials that a worker is busy with."""
        return [trial for trial in self._trials.values() if trial.status == TuneTrial.RUNNING]

    def start_at_once(self, n_workers: int) -> None:
        """Has so many workers start side by side; Tune's own number is that of the cluster when the search began."""
        if self._controller is not None:
            self._controller.update_max_pending_trials(n_workers)

    def kill_workers(self) -> None:
        if self._controller is not None:
            kill_workers(self._controller)

    def kill_late(self) -> None:
        """Ends the worker of each trial that is past its limit and does not answer."""
        for trial in self.running():
            name = trial.config["trial"]
            if name in self._late or self._stopwatch.busy_s(name) <= self._limits.seconds + GRACE_SECONDS:
                continue
            max_failures, trial.max_failures = trial.max_failures, 0  # it is not started again
            if kill_worker_of(self._controller, trial):
                self._late.add(name)
            else:
                trial.max_failures = max_failures

    def on_trial_add(self, tune_controller: Any, trial: TuneTrial) -> None:
        self._controller = tune_controller
        name, config = trial.config["trial"], trial.config
        self._trials[name] = trial
        suggested = Trial(
            name, config["config"], config["origin"], bracket=-1, seed=config["seed"], fold=config["fold"]
        )
        if suggested.fold > 0:
            self._recorder.suggested(suggested)
            return
        if name in self._race:
            # Retried after its worker was lost, or of an earlier run, where it may have waited.
            if name in self._race.promotable():
                self._promote(name)
            return
        bracket = self._race.add(name)
        self._recorder.suggested(replace(suggested, bracket=bracket))

    def on_trial_result(self, tune_controller: Any, trial: TuneTrial, result: dict[str, Any]) -> str:
        name = trial.config["trial"]
        report: Report = result["report"]
        self._stopwatch.reported(name, report.seconds.total)
        if report.retried:
            self._begins_anew(trial, report.retried, is_halved=True)
            return str(TrialScheduler.CONTINUE)
        if trial.config["fold"] > 0:
            return self._on_fold_result(name, report)
        pace = self._paces.setdefault(name, Pace(self._reached.get(name, 0)))
        pace.step([p.training_s + p.evaluation_s for p in report.points], report.seconds.total, report.budget)
        if report.failure:
            return self._fail(trial, result, _status_of(report), report.failure)
        self._recorder.reported(name, report)  # also a step that was over before its first epoch: it took seconds
        if report.is_timed_out:
            return self._fail(trial, result, Status.TIMEOUT, self._timeout)
        if report.is_out_of_time:
            # Its predictions count; in the race it stays where it was, to go on if the run is resumed.
            return str(TrialScheduler.STOP)
        milestone = self._race.milestone(name)
        decision = self._race.report(name, report.budget, report.loss)
        if decision is Decision.CONTINUE:
            return self._go_on(trial, result, pace)
        seconds = pace.untold()
        pace.judged()
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

    def _fail(self, trial: TuneTrial, result: dict[str, Any], status: Status, reason: str) -> str:
        """Ends a trial with the worst loss; what it has published is there all the same."""
        name = trial.config["trial"]
        self._race.fail(name)
        self._recorder.changed(name, status, reason)
        worst = replace(result["report"], loss=math.inf)
        self._tell_searcher(trial, {**result, "report": worst}, self._race.milestone(name), 0.0)
        return str(TrialScheduler.STOP)

    @property
    def _timeout(self) -> str:
        return f"timeout: it has taken the {self._limits.seconds:g} s of trial_time_limit"

    def _go_on(self, trial: TuneTrial, result: dict[str, Any], pace: Pace) -> str:
        """Between two rungs a trial goes on, unless it is so slow that others are worth more."""
        name, config, report = trial.config["trial"], trial.config["config"], result["report"]
        expected = pace.seconds_to(self._race.milestone(name))
        if report.budget < 1 or expected <= self._most_trial_seconds:
            if report.member is not None:  # at a rung where it is not judged, but others are compared with it
                self._tell_searcher(trial, result, self._race.budgets.rung_below(report.budget), pace.untold())
            return str(TrialScheduler.CONTINUE)
        reason = f"{TOO_SLOW}: {expected:.0f} s to budget {self._race.milestone(name)}"
        self._race.stop(name)
        self._recorder.changed(name, Status.STOPPED, reason)
        self._searcher.leave_out(config[ROOT])
        self._tell_searcher(trial, result, self._race.budgets.rung_below(report.budget), pace.untold())
        return str(TrialScheduler.STOP)

    def _on_fold_result(self, name: str, report: Report) -> str:
        """A trial on another fold than the first is in no race: it goes on until its predictions are there."""
        if report.failure:
            self._recorder.changed(name, _status_of(report), report.failure)
            return str(TrialScheduler.STOP)
        self._recorder.reported(name, report)
        if report.is_timed_out:
            self._recorder.changed(name, Status.TIMEOUT, self._timeout)
            return str(TrialScheduler.STOP)
        if report.member is None and not report.is_out_of_time:
            return str(TrialScheduler.CONTINUE)
        self._recorder.changed(name, Status.COMPLETED if report.member else Status.STOPPED)
        return str(TrialScheduler.STOP)

    def choose_trial_to_run(self, tune_controller: Any, allow_recurse: bool = True) -> TuneTrial | None:
        for name in self._race.hopeless():
            trial = self._trials.get(name)
            if trial is None:
                self._end(name)  # of an earlier run
            elif trial.status == TuneTrial.PAUSED and not trial.is_saving:
                tune_controller.stop_trial(trial)
        for name in self._searcher.promotions():
            trial = self._trials.get(name)
            if trial is not None and trial.status == TuneTrial.PAUSED and not trial.is_saving:
                self._promote(name)
                self._stopwatch.idle(name)
                trial.set_config({**trial.config, "spent_s": self._stopwatch.spent_s.get(name, 0.0)})
                self._unpause_trial(tune_controller, trial)
                return trial
        return next((trial for trial in self._trials.values() if trial.status == TuneTrial.PENDING), None)

    def on_trial_remove(self, tune_controller: Any, trial: TuneTrial) -> None:
        self._end(trial.config["trial"])

    def on_trial_complete(self, tune_controller: Any, trial: TuneTrial, result: dict[str, Any]) -> None:
        """Nothing: what a result means was decided when it came."""

    def on_trial_error(self, tune_controller: Any, trial: TuneTrial) -> None:
        name = trial.config["trial"]
        status, reason = self._loss_of(trial)
        self._stopwatch.lost(name)
        if trial.status == TuneTrial.ERROR:  # Tune is about to start it again
            if status is Status.MEMOUT:
                trial.max_failures = trial.num_failures  # once, with a process of its own and smaller batches
            self._begins_anew(trial, reason, is_halved=status is Status.MEMOUT)
            return
        if name in self._race:
            self._race.fail(name)
        self._recorder.changed(name, status, reason)

    def _loss_of(self, trial: TuneTrial) -> tuple[Status, str]:
        """What a trial whose worker is gone has come to, and why."""
        name = trial.config["trial"]
        if name in self._late:
            return Status.TIMEOUT, f"{self._timeout}, and its worker did not answer"
        if (gigabytes := self._recorder.folder.take_memout(name)) is not None:
            limit = self._limits.gigabytes
            return Status.MEMOUT, f"memout: the worker took {gigabytes:.2f} GB, trial_memory is {limit:g} GB"
        said = _last_error(trial)
        if said[0].startswith(NODE_OUT_OF_MEMORY):
            return Status.MEMOUT, f"memout: {NODE_OUT_OF_MEMORY}"
        return Status.FAILED, f"the worker was lost {trial.num_failures} times: {said[-1]}"

    def _begins_anew(self, trial: TuneTrial, reason: str, *, is_halved: bool) -> None:
        """A trial goes on from its last checkpoint; once its batches are halved they stay so."""
        name = trial.config["trial"]
        spent_s = self._stopwatch.spent_s.get(name, 0.0)
        is_halved = is_halved or trial.config["is_halved"]
        trial.set_config({**trial.config, "spent_s": spent_s, "is_halved": is_halved})
        self._recorder.changed(name, Status.RUNNING, reason)

    def debug_string(self) -> str:
        return f"AsynchronousHyperBandForBOHB: {self._race.rung_occupancy()}"

    def _promote(self, name: str) -> None:
        budget = self._race.milestone(name)
        self._race.promote(name)
        self._recorder.changed(name, Status.RUNNING, f"promoted from budget {budget}")

    def _end(self, name: str) -> None:
        if name in self._race:
            self._searcher.forget(name)
            self._race.stop(name)
        self._recorder.changed(name, Status.STOPPED)

    def _tell_searcher(self, trial: TuneTrial, result: dict[str, Any], budget: int, seconds: float) -> None:
        """The controller does not, where the decision is to stop."""
        info = {"budget": budget, "seconds": seconds}
        self._searcher.on_trial_result(trial.trial_id, {**result, "hyperband_info": info})


def _last_error(trial: TuneTrial) -> list[str]:
    """The lines of what Ray said when the worker of a trial was last lost.

    From the file to which Tune adds them; what ``get_error`` reads is a copy, which may be older.
    """
    file = Path(trial.error_file) if trial.error_file else None
    text = file.read_text(encoding="utf-8") if file is not None and file.exists() else ""
    lines = text.rpartition("Failure # ")[2].partition("\n")[2].strip().splitlines()
    return [line.strip() for line in lines] or ["Ray gives no cause"]


def _status_of(failed: Report) -> Status:
    return Status.MEMOUT if failed.is_out_of_memory else Status.FAILED
