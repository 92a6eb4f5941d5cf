"""What a short training says of a long one."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

MIN_COMMON = 3
"""With fewer configurations at both budgets there is no correlation to speak of."""


def rank_correlation(losses: pd.DataFrame) -> pd.DataFrame:
    """Spearman's rank correlation between budgets, of a table with a row for each configuration and a column a budget.

    Equal losses share their mean rank, an infinite loss (a failure) is the worst of its budget, and each pair of
    budgets takes the configurations that have been at both (NaN elsewhere). NaN where fewer than three have, or where
    they have all the same loss.
    """
    budgets = list(losses.columns)
    values = losses.to_numpy(dtype=np.float64)
    table = pd.DataFrame(np.nan, index=budgets, columns=budgets)
    for i, first in enumerate(budgets):
        for j, second in enumerate(budgets[: i + 1]):
            both = ~np.isnan(values[:, [i, j]]).any(axis=1)
            table.loc[first, second] = table.loc[second, first] = _spearman(values[both, i], values[both, j])
    return table


def mean_rank_correlation(losses: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """The mean over data sets of their rank correlations, by the data set's name; undefined ones are left out."""
    tables = [rank_correlation(own) for own in losses.values()]
    return pd.concat(tables).groupby(level=0, sort=False).mean()


def _spearman(first: np.ndarray, second: np.ndarray) -> float:
    from scipy.stats import rankdata

    if len(first) < MIN_COMMON or (first == first[0]).all() or (second == second[0]).all():
        return float("nan")
    return float(np.corrcoef(rankdata(first), rankdata(second))[0, 1])
