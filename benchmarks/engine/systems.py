"""The systems that are compared, each under a name."""

from __future__ import annotations

from benchmarks.engine.baselines import ASHA, FullRandomSearch, OptunaASHA
from benchmarks.engine.cells import Start
from benchmarks.engine.stock import StockBOHB
from raytabdl.component import Config
from raytabdl.search.brackets import Race, opening
from raytabdl.search.samplers import BOHB, Sampler
from raytabdl.simulation.engine import Optimizer
from raytabdl.simulation.search import Search
from raytabdl.simulation.surrogate import LCBenchSurrogate


def search(benchmark: LCBenchSurrogate, sampler: Sampler, portfolio: list[Config]) -> Optimizer:
    """Ours, with the race of the default plan and the portfolio in a bracket of its own that starts at 9 of 27."""
    first = [opening(len(portfolio), benchmark.budgets, first_rung=2)] if portfolio else ()
    return Search(sampler, Race(benchmark.budgets, openings=first), portfolio=portfolio)


SYSTEMS: dict[str, Start] = {
    "random search": lambda b, seed, n_workers, portfolio: FullRandomSearch(b.space, b.budgets, seed),
    "ASHA + random": lambda b, seed, n_workers, portfolio: ASHA(b.space, b.budgets, seed),
    "Optuna TPE + ASHA": lambda b, seed, n_workers, portfolio: OptunaASHA(b.space, b.budgets, seed, n_workers),
    "TuneBOHB + HyperBandForBOHB": lambda b, seed, n_workers, portfolio: StockBOHB(b.space, b.budgets, seed, n_workers),
    "raytabdl": lambda b, seed, n_workers, portfolio: search(b, BOHB(b.space, seed), []),
    "raytabdl with portfolio": lambda b, seed, n_workers, portfolio: search(b, BOHB(b.space, seed), portfolio),
}
