"""The centre of a regression's target, by the error that is made small, and how far the values are from it."""

from __future__ import annotations

import numpy as np

from raytabdl.inputs import Array, Error, Weights


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
    """The middle of weighted values; of two where just half of the weight lies up to the first."""
    if weights is None:
        return float(np.median(values))
    order = np.argsort(values)
    below = np.cumsum(weights[order]) / weights.sum()
    middle = [np.searchsorted(below, 0.5 - 1e-12), np.searchsorted(below, 0.5 + 1e-12)]
    return float(values[order[middle]].mean())
