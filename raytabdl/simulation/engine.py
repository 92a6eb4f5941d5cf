"""A clock and workers that are simulated: events in the order of their time, nothing waits."""

from __future__ import annotations

import heapq
import math
from dataclasses import dataclass
from typing import Protocol

from raytabdl.component import Config
from raytabdl.search.brackets import TrialId
from raytabdl.simulation.benchmark import Benchmark, Curve


@dataclass(frozen=True)
class Job:
    """A trial that is to be trained to a budget, from where it stands."""

    trial_id: TrialId
    config: Config
    budget: int


@dataclass(frozen=True)
class Evaluation:
    """A job that was done: what came of it, on which worker and when, in simulated seconds."""

    job: Job
    loss: float
    worker: int
    start: float
    end: float

    @property
    def seconds(self) -> float:
        return self.end - self.start


class Optimizer(Protocol):
    """What decides which trial is trained next, and how far."""

    def next(self) -> Job | None:
        """The job of a free worker; None where it has to wait until another is done."""

    def report(self, job: Job, loss: float, seconds: float) -> Job | None:
        """Takes in the result of a job; what its worker does next where that is decided, None where it is free."""


def simulate(
    optimizer: Optimizer, benchmark: Benchmark, *, n_workers: int, limit_s: float = math.inf
) -> list[Evaluation]:
    """All that is done within the limit, in the order in which it ends.

    Ends where the time is up, or where all workers are free and no job comes. Of several that end at the same time
    the one that began first is reported first.
    """
    if n_workers < 1:
        raise ValueError(f"n_workers must be at least 1, got {n_workers}")
    workers = _Workers(benchmark, n_workers)
    evaluations: list[Evaluation] = []
    now = 0.0
    while True:
        while workers.free and (job := optimizer.next()) is not None:
            workers.start(job, heapq.heappop(workers.free), now)
        if not workers.busy or workers.busy[0][0] > limit_s:
            return evaluations
        now, _, done = heapq.heappop(workers.busy)
        evaluations.append(done)
        job = optimizer.report(done.job, done.loss, done.seconds)
        if job is None:
            heapq.heappush(workers.free, done.worker)
        else:
            workers.start(job, done.worker, now)


class _Workers:
    def __init__(self, benchmark: Benchmark, n_workers: int) -> None:
        self._benchmark = benchmark
        self._curves: dict[TrialId, Curve] = {}
        self._reached: dict[TrialId, float] = {}  # seconds on the curve
        self._n_started = 0
        self.free = list(range(n_workers))
        self.busy: list[tuple[float, int, Evaluation]] = []

    def start(self, job: Job, worker: int, now: float) -> None:
        if job.trial_id not in self._curves:
            self._curves[job.trial_id] = self._benchmark.curve(job.config)
        curve = self._curves[job.trial_id]
        seconds = curve.seconds[job.budget] - self._reached.get(job.trial_id, 0.0)
        self._reached[job.trial_id] = curve.seconds[job.budget]
        done = Evaluation(job, curve.losses[job.budget], worker, now, now + seconds)
        heapq.heappush(self.busy, (done.end, self._n_started, done))
        self._n_started += 1
