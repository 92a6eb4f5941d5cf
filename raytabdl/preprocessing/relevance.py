"""How much a column says of the target, whatever the form of the relation."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from raytabdl.inputs import Array, Target

N_ROWS = 3_000
"""Rows that relevances are taken of: their error is then about 1 / 3,000."""


def relevance(columns: NDArray[Any], y: Array, target: Target) -> NDArray[np.float64]:
    """The share of the variance of each column's ranks that the target explains: (n, d) -> (d,), from 0 to 1.

    Spearman's correlation squared for a value, and for classes the statistic of Kruskal and Wallis over n - 1.
    """
    from scipy.stats import rankdata

    if columns.size == 0:
        return np.zeros(columns.shape[1])
    ranks = rankdata(columns, axis=0)
    ranks -= ranks.mean(axis=0)
    total = np.square(ranks).sum(axis=0)
    if target.task_type.is_classification:
        truth = np.eye(target.n_classes)[y.astype(np.int64)]
        sums = truth.T @ ranks  # (n_classes, d)
        explained = (np.square(sums) / np.maximum(truth.sum(axis=0), 1)[:, None]).sum(axis=0)
    else:
        order = rankdata(y)
        order -= order.mean()
        explained = np.square(order @ ranks) / max(float(order @ order), 1.0)
    return np.where(total > 0, explained / np.where(total > 0, total, 1.0), 0.0)
