"""What a run exports through Ray, for Ray's dashboard, Prometheus and Grafana (examples/cluster/grafana.json)."""

from __future__ import annotations

import math
from collections import Counter as Counts
from collections.abc import Iterator
from dataclasses import asdict

from ray.util.metrics import Counter, Gauge, Histogram

from raytabdl.clock import Clock
from raytabdl.ensemble import Ensemble
from raytabdl.failures import last_line
from raytabdl.history import QUICK, History, Status
from raytabdl.search.brackets import Race
from raytabdl.space import ROOT

DURATIONS = (1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0, 3000.0, 10_000.0)
"""The boundaries of the histogram of trials by their seconds."""

_ENDED = tuple(status for status in Status if status not in (Status.RUNNING, Status.PAUSED))


class RunMetrics:
    """The metrics of one run, by its name; Ray exports them as ``ray_raytabdl_...`` from the node of the driver.

    Writing sets numbers in this process and waits for nobody: where no agent collects them, they go nowhere. Quick
    models are no trials of the search, and what ended in an earlier part of a resumed run is not counted again.
    """

    def __init__(self, run: str, metric: str, history: History, race: Race, clock: Clock) -> None:
        self._history = history
        self._race = race
        self._clock = clock
        self._run = {"run": run}
        self._metric = {"run": run, "metric": metric}
        self._trials = Gauge("raytabdl_trials", "Trials of the search, by status.", ("run", "status"))
        self._busy = Gauge("raytabdl_busy_workers", "Workers that train a trial.", ("run",))
        self._best = Gauge("raytabdl_best_loss", "The lowest loss of a single model.", ("run", "metric"))
        self._ensemble = Gauge("raytabdl_ensemble_loss", "The loss of the ensemble.", ("run", "metric"))
        self._members = Gauge("raytabdl_ensemble_members", "Models in the ensemble.", ("run",))
        self._elapsed = Gauge("raytabdl_elapsed_seconds", "Time since the start of the fit.", ("run",))
        self._left = Gauge("raytabdl_time_left_seconds", "Time until the limit of the run.", ("run",))
        self._rungs = Gauge(
            "raytabdl_rung_trials", "Where the trials of the race stand, by budget.", ("run", "budget", "standing")
        )
        self._durations = Histogram(
            "raytabdl_trial_duration_seconds",
            "What a trial that ended has taken, by the family of its model.",
            list(DURATIONS),
            ("run", "model"),
        )
        self._failures = Counter("raytabdl_failures_total", "Failed trials, by the kind of error.", ("run", "reason"))
        self._n_results = 0
        self._seconds: dict[str, float] = {}  # of the trials that have not ended
        self._ended: set[str] = set()
        for _ in self._newly_ended():
            pass  # an earlier part of the run has counted them

    def write(self, n_running: int, ensemble: Ensemble | None) -> None:
        """Exports the state of the moment."""
        for name, seconds in self._newly_ended():
            model = str(self._history.trials[name].config[ROOT])
            self._durations.observe(seconds, {**self._run, "model": model})
            if self._history.statuses[name].is_failure:
                self._failures.inc(1, {**self._run, "reason": kind_of_failure(self._history.failures[name])})
        counts = Counts(self._history.statuses[name] for name in self._searched())
        for status in Status:
            self._trials.set(counts[status], {**self._run, "status": status.value})
        self._busy.set(n_running, self._run)
        if (incumbent := self._history.incumbent()) is not None:
            self._best.set(incumbent.loss, self._metric)
        if ensemble is not None:
            self._ensemble.set(ensemble.loss, self._metric)
            self._members.set(len(ensemble.weights), self._run)
        self._elapsed.set(self._clock.elapsed(), self._run)
        if math.isfinite(self._clock.limit_s):
            self._left.set(max(self._clock.remaining(), 0.0), self._run)
        for budget, occupancy in self._race.rung_occupancy().items():
            for standing, count in asdict(occupancy).items():
                self._rungs.set(count, {**self._run, "budget": str(budget), "standing": standing})

    def _searched(self) -> Iterator[str]:
        return (name for name, trial in self._history.trials.items() if trial.origin != QUICK)

    def _newly_ended(self) -> Iterator[tuple[str, float]]:
        """The trials that ended since the last call, with the seconds that each has taken."""
        for result in self._history.results[self._n_results :]:
            self._seconds[result.trial_id] = self._seconds.get(result.trial_id, 0.0) + result.seconds.total
        self._n_results = len(self._history.results)
        for name in self._searched():
            if name not in self._ended and self._history.statuses[name] in _ENDED:
                self._ended.add(name)
                yield name, self._seconds.pop(name, 0.0)


def kind_of_failure(reason: str) -> str:
    """The class of the error that a traceback ends with: few enough values for a label.

    >>> kind_of_failure("Traceback (most recent call last):\\n  ...\\nray.exceptions.RayError: node 3 at 17:02")
    'RayError'
    >>> kind_of_failure("the worker was lost 3 times: out of memory")
    'lost worker'
    """
    error = last_line(reason).partition(":")[0].rpartition(".")[2]
    return error if error.isidentifier() else "lost worker"
