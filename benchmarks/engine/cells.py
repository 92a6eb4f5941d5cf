"""One cell: a system on a task of the LCBench surrogate with a seed and a number of workers."""

from __future__ import annotations

import json
import math
import os
import statistics
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

from raytabdl.component import Config
from raytabdl.curves.surrogate import NOT_LEARNED
from raytabdl.curves.tasks import TASKS as LCBENCH
from raytabdl.search.samplers import RandomSearch
from raytabdl.simulation.engine import Evaluation, Optimizer, simulate
from raytabdl.simulation.surrogate import LCBenchSurrogate

N_POINTS = 20
"""Of the time at which the best loss is kept."""

FULL_TRIALS_PER_WORKER = {1: 40, 2: 30, 4: 20, 8: 12, 16: 8, 32: 5, 64: 4}
"""The limit of a run, in trainings of a median configuration to the end one after another."""

TASKS = tuple(str(task) for name, task in LCBENCH.items() if name not in NOT_LEARNED)
"""The OpenML tasks that the surrogate has learned."""

Start = Callable[[LCBenchSurrogate, int, int, list[Config]], Optimizer]
"""Makes a system for a benchmark, a seed, a number of workers and a portfolio, which may be empty."""


@dataclass(frozen=True)
class Cell:
    """What identifies a run."""

    system: str
    task: str
    seed: int
    n_workers: int


@dataclass(frozen=True)
class Outcome:
    """What came of it; ``losses`` are the best at each twentieth of the time, None before the first result."""

    cell: Cell
    losses: list[float | None]
    n_trials: int
    n_full: int
    cpu_s: float


def folder() -> Path:
    """Where the surrogate lies."""
    return Path(os.environ["RAYTABDL_LCBENCH"]) / "yahpo_lcbench"


@cache
def limit_s(task: str, n_workers: int) -> float:
    benchmark = LCBenchSurrogate(folder(), task)
    sampler = RandomSearch(benchmark.space, seed=0)
    curves = benchmark.curves([sampler.suggest() for _ in range(101)])
    full = statistics.median(curve.seconds[benchmark.budgets.max_budget] for curve in curves)
    return FULL_TRIALS_PER_WORKER[n_workers] * full


def run(cell: Cell, start: Start, portfolio: list[Config]) -> Outcome:
    began = time.process_time()
    benchmark = LCBenchSurrogate(folder(), cell.task)
    limit = limit_s(cell.task, cell.n_workers)
    optimizer = start(benchmark, cell.seed, cell.n_workers, portfolio)
    evaluations = simulate(optimizer, benchmark, n_workers=cell.n_workers, limit_s=limit)
    return Outcome(
        cell,
        best_losses(evaluations, [limit * (i + 1) / N_POINTS for i in range(N_POINTS)]),
        len({evaluation.job.trial_id for evaluation in evaluations}),
        sum(evaluation.job.budget == benchmark.budgets.max_budget for evaluation in evaluations),
        round(time.process_time() - began, 3),
    )


def best_losses(evaluations: Iterable[Evaluation], times: Iterable[float]) -> list[float | None]:
    """The least loss of what ended by each of the times, at whatever budget: each is a model that can be used."""
    ended = iter(sorted(evaluations, key=lambda evaluation: evaluation.end))
    losses: list[float | None] = []
    best, following = math.inf, next(ended, None)
    for moment in times:
        while following is not None and following.end <= moment:
            best, following = min(best, following.loss), next(ended, None)
        losses.append(round(best, 6) if math.isfinite(best) else None)
    return losses


def read(path: Path) -> Iterator[Outcome]:
    for line in path.read_text().splitlines() if path.exists() else ():
        fields = json.loads(line)
        yield Outcome(**{**fields, "cell": Cell(**fields["cell"])})


def append(path: Path, outcome: Outcome) -> None:
    with path.open("a") as file:
        file.write(json.dumps(asdict(outcome)) + "\n")
