"""The centre of a regression's target, by the error that is made small, and how far the values are from it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from raytabdl.inputs import Array, Error, Weights

_SLACK = 1e-12
"""Of the sum of all weights: where half of them lies within it of the end of a value, it is at its end."""


def centre_and_spread(values: Array, error: Error, weights: Weights = None) -> tuple[float, float]:
    """The constant of the least error, and that error.

    The mean and the standard deviation, or the median and the mean distance from it.
    """
    if error is Error.ABSOLUTE:
        centre = median(values, weights)
        return centre, float(np.average(np.abs(values - centre), weights=weights))
    if weights is None:
        return float(values.mean()), float(values.std())
    mean = float(np.average(values, weights=weights))
    return mean, float(np.sqrt(np.average(np.square(values - mean), weights=weights)))


def median(values: Array, weights: Weights = None) -> float:
    """That of weighted values, (n,)."""
    if weights is None:
        return float(np.median(values))
    return float(group_medians(values, np.zeros(len(values), np.int64), weights)[0])


def group_medians(values: Array, groups: NDArray[Any], weights: Weights = None) -> NDArray[np.float64]:
    """The weighted median of each group of values, in the order of the groups' numbers, (n,) as the values.

    The middle of two values where just half of the weight lies up to the first.

    >>> group_medians(np.array([5.0, 1.0, 2.0, 3.0, 9.0]), np.array([7, 4, 4, 4, 7])).tolist()
    [2.0, 7.0]
    """
    order = np.lexsort((values, groups))
    ranked, own = groups[order], np.ones(len(values)) if weights is None else weights[order]
    reached = np.cumsum(own)
    first = np.flatnonzero(np.append(True, ranked[1:] != ranked[:-1]))
    last = np.append(first[1:], len(ranked)) - 1
    half = (reached[first] - own[first] + reached[last]) / 2
    slack = _SLACK * reached[-1]
    # A group that weighs next to nothing is no reason to look at another one.
    below, above = (np.clip(np.searchsorted(reached, half + side), first, last) for side in (-slack, slack))
    sorted_values = values[order]
    return np.asarray((sorted_values[below] + sorted_values[above]) / 2, np.float64)
