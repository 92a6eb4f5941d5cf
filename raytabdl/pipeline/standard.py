"""The scale of a regression target."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from raytabdl.inputs import Array, Error, Weights
from raytabdl.spread import centre_and_spread

MARGIN = 0.5
"""Of the width of the middle nine tenths of the targets, by which predictions may leave their range on each side."""


@dataclass(frozen=True)
class Standard:
    """The scale of a regression target; predictions are kept near the range seen in training.

    Targets that are nowhere negative have no negative predictions, and those that are nowhere positive no positive
    ones. A constant is predicted as it is. ``mean`` and ``deviation`` are those of log(1 + target) where this
    ``is_logarithmic``, and the median and the mean distance from it where absolute errors are made small.
    """

    mean: float = 0.0
    deviation: float = 1.0
    lowest: float = 0.0
    highest: float = 0.0
    is_logarithmic: bool = False

    @classmethod
    def of(cls, y: Array, weights: Weights = None, error: Error = Error.SQUARED) -> Standard:
        is_logarithmic = error is Error.LOGARITHMIC
        mean, deviation = centre_and_spread(np.log1p(y) if is_logarithmic else y, error, weights)
        return cls(mean, deviation if deviation > 0 else 1.0, *_bounds(y), is_logarithmic)

    def standardised(self, y: Array) -> Array:
        return ((np.log1p(y) if self.is_logarithmic else y) - self.mean) / self.deviation

    def value(self, standardised: Array) -> Array:
        values = standardised.astype(np.float64) * self.deviation + self.mean
        if self.is_logarithmic:
            with np.errstate(over="ignore"):  # what is too large for a number is too large for the bound
                values = np.expm1(values)
        # Of a row far from all others a line or a network may predict anything, and one such prediction decides a mean
        # of squares, and an ensemble. Values that grow, as in the order of time, have to be followed beyond the range.
        return np.clip(values, self.lowest, self.highest)


def _bounds(y: Array) -> tuple[float, float]:
    lowest, highest = float(y.min()), float(y.max())
    low, high = np.quantile(y, [0.05, 0.95])  # the ends of a long tail are no measure of what may come
    below, above = lowest - MARGIN * float(high - low), highest + MARGIN * float(high - low)
    return max(below, 0.0) if lowest >= 0 else below, min(above, 0.0) if highest <= 0 else above
