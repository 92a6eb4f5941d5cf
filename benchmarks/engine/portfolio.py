"""A portfolio for a task of the surrogate, learned on all others."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np

from raytabdl.component import Config
from raytabdl.search.greedy import greedy_portfolio
from raytabdl.search.samplers import RandomSearch
from raytabdl.simulation.surrogate import LCBenchSurrogate

N_CANDIDATES = 300


@cache
def _losses(folder: Path, task_id: str) -> np.ndarray:
    """Of the candidates at the full budget, as regrets in units of their spread."""
    benchmark = LCBenchSurrogate(folder, task_id)
    curves = benchmark.curves(_candidates(folder, task_id))
    losses = np.array([curve.losses[benchmark.budgets.max_budget] for curve in curves])
    return (losses - losses.min()) / max(np.median(losses) - losses.min(), 1e-9)


@cache
def _candidates(folder: Path, task_id: str) -> list[Config]:
    sampler = RandomSearch(LCBenchSurrogate(folder, task_id).space, seed=0)
    return [sampler.suggest() for _ in range(N_CANDIDATES)]


def portfolio_without(folder: Path, task_id: str, tasks: tuple[str, ...], size: int = 8) -> list[Config]:
    """The candidates that, one after another, lower the mean regret of the best of them on the other tasks most."""
    regrets = np.array([_losses(folder, other) for other in tasks if other != task_id])
    return [_candidates(folder, task_id)[index] for index in greedy_portfolio(regrets.T, size)]
