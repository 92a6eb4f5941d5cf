"""What the rung barrier costs: our race beside Tune's ``HyperBandForBOHB`` with ``TuneBOHB``, on simulated workers.

``python -m benchmarks.engine.waiting`` takes some minutes and writes ``benchmarks/results/engine_waiting.md``. No loss
matters here, only who waits for whom: losses fall with the budget, and configurations differ in their seconds.
"""

from __future__ import annotations

import statistics
import warnings
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ConfigSpace import Categorical, ConfigurationSpace, Float

from benchmarks.engine.stock import StockBOHB
from raytabdl.component import Config
from raytabdl.search.brackets import Budgets, Race
from raytabdl.search.samplers import BOHB
from raytabdl.simulation.benchmark import Curve, generator
from raytabdl.simulation.engine import Evaluation, Optimizer, simulate
from raytabdl.simulation.search import Search

RESULTS = Path(__file__).parent.parent / "results"
N_SEEDS, LIMIT_S = 10, 300.0
SPREADS = {0.0: "constant", 0.5: "lognormal, 0.5", 1.0: "lognormal, 1.0"}
WORKERS = (2, 4, 8, 16, 32, 64)


class Epochs:
    """An epoch takes a second at the median, its logarithm varies by ``spread`` from one configuration to another."""

    def __init__(self, spread: float, seed: int) -> None:
        self.budgets = Budgets()
        self.space = ConfigurationSpace(seed=seed)
        self.space.add(Categorical("model", ["net"]), *(Float(f"x{i}", (0.0, 1.0)) for i in range(4)))
        self._spread = spread
        self._seed = seed

    def curve(self, config: Config) -> Curve:
        rng = generator(self._seed, config)
        level, pace = float(rng.random()), float(np.exp(self._spread * rng.normal()))
        rungs = self.budgets.rungs
        noise = rng.normal(0.0, 0.2, len(rungs))
        losses = {b: level + float(n) / b**0.5 for b, n in zip(rungs, noise, strict=True)}
        return Curve(losses, {budget: pace * budget for budget in rungs})


@dataclass(frozen=True)
class Counts:
    """Of one run: seconds to the first trial at the full budget, the number of these, and of trials taken up again."""

    first_s: float
    n_full: int
    n_resumes: int


def main() -> None:
    warnings.simplefilter("ignore")  # the stock searcher calls what ConfigSpace deprecates
    lines = [
        f"Simulated workers, {LIMIT_S:g} s, budgets from 1 to 27, an epoch of 1 s at the median; medians of {N_SEEDS} "
        "seeds, TuneBOHB + HyperBandForBOHB / raytabdl. To reach: the first full trial at least 1.4 times earlier with "
        "2 workers and never later, at most 0.6 of the resumes, not fewer full trials.",
        "",
        "| epoch times | workers | first full trial, s | full trials | resumes |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for spread, words in SPREADS.items():
        for n_workers in WORKERS:
            stock, ours = ([counts(name, spread, seed, n_workers) for seed in range(N_SEEDS)] for name in (True, False))
            cells = [
                f"{statistics.median(getattr(c, name) for c in stock):.4g} / "
                f"{statistics.median(getattr(c, name) for c in ours):.4g}"
                for name in ("first_s", "n_full", "n_resumes")
            ]
            lines.append(f"| {words} | {n_workers} | {' | '.join(cells)} |")
            print(lines[-1], flush=True)
    (RESULTS / "engine_waiting.md").write_text("\n".join(lines) + "\n")


def counts(is_stock: bool, spread: float, seed: int, n_workers: int) -> Counts:
    epochs = Epochs(spread, seed)
    optimizer: Optimizer = (
        StockBOHB(epochs.space, epochs.budgets, seed, n_workers)
        if is_stock
        else Search(BOHB(epochs.space, seed), Race(epochs.budgets))
    )
    return counted(simulate(optimizer, epochs, n_workers=n_workers, limit_s=LIMIT_S))


def counted(evaluations: list[Evaluation]) -> Counts:
    """A trial is taken up again where it does not go on at once on its own worker."""
    ends: dict[str, tuple[float, int]] = {}
    resumes: Counter[str] = Counter()
    full = []
    for each in evaluations:
        name = each.job.trial_id
        resumes[name] += name in ends and ends[name] != (each.start, each.worker)
        ends[name] = (each.end, each.worker)
        if each.job.budget == max(Budgets().rungs):
            full.append(each.end)
    return Counts(min(full, default=LIMIT_S), len(full), sum(resumes.values()))


if __name__ == "__main__":
    main()
