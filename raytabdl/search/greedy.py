"""A portfolio chosen from a table of losses."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Losses = NDArray[np.float64]


def greedy_portfolio(losses: Losses, size: int) -> list[int]:
    """The rows (configurations) that lower the mean over the columns (data sets) of the best loss most, one by one.

    Zimmer, Lindauer and Hutter (2021), section 3.4. ``losses`` should be on one scale, such as regrets; a missing or
    infinite loss is a failure. Ends early where nothing improves any more; the first of equal rows is taken.

    >>> greedy_portfolio(np.array([[0.2, 0.3], [0.0, 0.9], [0.9, 0.0]]), size=3)
    [0, 2, 1]
    """
    if losses.ndim != 2 or not losses.size or size < 1:
        raise ValueError(f"must be a table that is not empty and a positive size, got {losses.shape=}, {size=}")
    table = _failures_worst(losses)
    chosen: list[int] = []
    best = np.full(table.shape[1], np.inf)
    while len(chosen) < size:
        means = np.minimum(table, best).mean(axis=1)
        row = int(means.argmin())
        if chosen and means[row] >= best.mean():
            break
        chosen.append(row)
        best = np.minimum(best, table[row])
    return chosen


def regret_curve(losses: Losses, chosen: list[int]) -> Losses:
    """The regret against the best row of the table, of the first 1, 2, ... members: shape (members, data sets)."""
    table = _failures_worst(losses)
    curve: Losses = np.minimum.accumulate(table[chosen], axis=0) - table.min(axis=0)
    return curve


def _failures_worst(losses: Losses) -> Losses:
    """Failures get the worst finite loss of their data set. Raises ValueError where a data set has none."""
    finite = np.isfinite(losses)
    if not finite.any(axis=0).all():
        raise ValueError(f"each data set must have a finite loss, column {int(finite.any(axis=0).argmin())} has none")
    worst = np.where(finite, losses, -np.inf).max(axis=0)
    return np.where(finite, losses, worst)
