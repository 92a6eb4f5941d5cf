"""The search of a real run, as the simulated workers ask for it."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from raytabdl.component import Config
from raytabdl.search.brackets import Decision, Race, TrialId
from raytabdl.search.samplers import Observation, Sampler, SpaceExhaustedError
from raytabdl.simulation.engine import Job


class Search:
    """Promotions first, then the portfolio in order, then what the sampler suggests.

    Drives the sampler and the race as the runtime's searcher and scheduler do, without folds and without a restart.
    """

    def __init__(
        self, sampler: Sampler, race: Race, *, portfolio: Sequence[Config] = (), n_trials: int | None = None
    ) -> None:
        self._sampler = sampler
        self._race = race
        self._portfolio = deque(portfolio)
        self._n_trials = n_trials
        self._configs: dict[TrialId, Config] = {}
        self._n_running = 0
        for config in portfolio:
            sampler.claim(config)

    def next(self) -> Job | None:
        job = self._next()
        self._n_running += job is not None
        return job

    def report(self, job: Job, loss: float, seconds: float) -> Job | None:
        decision = self._race.report(job.trial_id, job.budget, loss)
        self._sampler.observe(Observation(job.config, job.budget, loss, seconds))
        if decision is Decision.PROMOTE:
            self._race.promote(job.trial_id)
            return self._job(job.trial_id)
        if decision is Decision.STOP:
            self._race.stop(job.trial_id)
        self._n_running -= 1
        return None

    def _next(self) -> Job | None:
        for name in self._race.hopeless():
            self._race.stop(name)
        if due := self._race.promotable():
            self._race.promote(due[0])
            return self._job(due[0])
        if self._n_trials is not None and len(self._configs) >= self._n_trials:
            # Nobody will join the brackets that are not full: what waits there is judged among those that came.
            return self._next() if self._n_running == 0 and self._race.close_oldest() is not None else None
        try:
            config = self._portfolio.popleft() if self._portfolio else self._sampler.suggest()
        except SpaceExhaustedError:
            self._n_trials = len(self._configs)
            return self._next()
        name = f"{len(self._configs):04d}"
        self._configs[name] = config
        self._race.add(name)
        return self._job(name)

    def _job(self, name: TrialId) -> Job:
        return Job(name, self._configs[name], self._race.milestone(name))
