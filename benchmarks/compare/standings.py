"""How systems stand over many tables: errors, ranks, normalised scores, and tests of the differences."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from benchmarks.compare.cells import Record
from benchmarks.compare.scores import IS_GREATER_BETTER
from benchmarks.compare.systems import SCALE
from benchmarks.compare.tables import METRICS

Errors = pd.DataFrame
"""The error of each system (columns) on each table (rows), smaller is better; NaN where all its folds failed."""


def error_of(scores: Mapping[str, float], metric: str) -> float:
    """The optimised metric as an error that is 0 at best: 1 - ROC AUC, log loss, or RMSE."""
    return 1.0 - scores[metric] if IS_GREATER_BETTER[metric] else scores[metric]


def errors(records: Iterable[Record], tasks: Mapping[str, str]) -> Errors:
    """The mean error over the folds; one failed fold is a failure, since nobody can count on the system there."""
    rows = [
        (r.key.table, r.key.system, error_of(r.scores, METRICS[tasks[r.key.table]]) if r.scores else math.nan)
        for r in records
    ]
    frame = pd.DataFrame(rows, columns=["table", "system", "error"])
    return frame.groupby(["table", "system"])["error"].agg(lambda e: e.mean(skipna=False)).unstack("system")


@dataclass(frozen=True)
class Interval:
    """A mean over tables with a 95 % bootstrap interval."""

    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.mean:.3f} [{self.low:.3f}, {self.high:.3f}]"


def ranks(table_errors: Errors) -> pd.DataFrame:
    """1 for the best on each table, ties shared; who failed is last."""
    competitors = table_errors.drop(columns=SCALE, errors="ignore")
    return competitors.fillna(np.inf).rank(axis=1, method="average")


def normalised(table_errors: Errors) -> pd.DataFrame:
    """1 for the best on each table and 0 for the dummy; who failed or is worse than the dummy has 0."""
    best = table_errors.min(axis=1)
    scores = table_errors.rsub(table_errors[SCALE], axis=0).div(table_errors[SCALE] - best, axis=0)
    return scores.fillna(0.0).clip(0.0, 1.0).drop(columns=SCALE)


def improvability(table_errors: Errors) -> pd.DataFrame:
    """By what share the best on each table has a lower error (TabArena, Erickson et al. 2025); 1 for who failed."""
    competitors = table_errors.drop(columns=SCALE, errors="ignore")
    best = competitors.min(axis=1)
    return 1.0 - competitors.rdiv(best, axis=0).fillna(0.0)


def means(values: pd.DataFrame, n_samples: int = 10_000) -> dict[str, Interval]:
    """The mean of each system over the tables; the interval comes from drawing tables with replacement."""
    rng = np.random.default_rng(0)
    drawn = values.to_numpy()[rng.integers(0, len(values), (n_samples, len(values)))].mean(axis=1)
    low, high = np.quantile(drawn, [0.025, 0.975], axis=0)
    return {name: Interval(mean, low[i], high[i]) for i, (name, mean) in enumerate(values.mean().items())}


@dataclass(frozen=True)
class Duel:
    """One system against another over the tables; ``p`` is of Wilcoxon's signed-rank test, two-sided."""

    wins: int
    ties: int
    losses: int
    p: float


def duel(table_errors: Errors, ours: str, theirs: str, tie: float = 1e-4) -> Duel:
    """Errors that differ by less than ``tie`` of the larger are equal. The test ranks relative differences."""
    pair = table_errors[[ours, theirs]].fillna(np.inf).to_numpy()
    with np.errstate(invalid="ignore", divide="ignore"):
        differences = np.log(pair[:, 1]) - np.log(pair[:, 0])  # above 0 where ours is better
    both_failed = np.isnan(differences)
    differences = np.clip(np.where(both_failed, 0.0, differences), -10.0, 10.0)
    differences[np.abs(differences) < tie] = 0.0
    wins, losses = int((differences > 0).sum()), int((differences < 0).sum())
    p = float(stats.wilcoxon(differences, zero_method="zsplit").pvalue) if wins + losses else 1.0
    return Duel(wins, len(differences) - wins - losses, losses, p)


def critical_difference(n_systems: int, n_tables: int, alpha: float = 0.05) -> float:
    """How far two mean ranks must be apart: Nemenyi's test (Demšar 2006, eq. 8)."""
    q = stats.studentized_range.ppf(1 - alpha, n_systems, np.inf) / math.sqrt(2)
    return float(q * math.sqrt(n_systems * (n_systems + 1) / (6 * n_tables)))


def cliques(mean_ranks: Mapping[str, float], difference: float) -> list[Sequence[str]]:
    """The largest groups of neighbours in rank that are less than ``difference`` apart, best first."""
    ordered = sorted(mean_ranks, key=lambda name: mean_ranks[name])
    groups: list[Sequence[str]] = []
    for start in range(len(ordered)):
        group = [s for s in ordered[start:] if mean_ranks[s] - mean_ranks[ordered[start]] < difference]
        if len(group) > 1 and not any(set(group) <= set(other) for other in groups):
            groups.append(group)
    return groups
