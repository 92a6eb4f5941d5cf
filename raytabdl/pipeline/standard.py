"""The scale of a regression target."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from raytabdl.inputs import Array, Weights, mean_and_deviation

MARGIN = 0.5
"""Of the width of the middle nine tenths of the targets, by which predictions may leave their range on each side."""


@dataclass(frozen=True)
class Standard:
    """The scale of a regression target; predictions are kept near the range seen in training.

    Targets that are nowhere negative have no negative predictions, and those that are nowhere positive no positive
    ones. A constant is predicted as it is.
    """

    mean: float = 0.0
    deviation: float = 1.0
    lowest: float = 0.0
    highest: float = 0.0

    @classmethod
    def of(cls, y: Array, weights: Weights = None) -> Standard:
        mean, deviation = mean_and_deviation(y, weights)
        return cls(mean, deviation if deviation > 0 else 1.0, *_bounds(y))

    def standardised(self, y: Array) -> Array:
        return (y - self.mean) / self.deviation

    def value(self, standardised: Array) -> Array:
        # Of a row far from all others a line or a network may predict anything, and one such prediction decides a mean
        # of squares, and an ensemble. Values that grow, as in the order of time, have to be followed beyond the range.
        return np.clip(standardised.astype(np.float64) * self.deviation + self.mean, self.lowest, self.highest)


def _bounds(y: Array) -> tuple[float, float]:
    lowest, highest = float(y.min()), float(y.max())
    low, high = np.quantile(y, [0.05, 0.95])  # the ends of a long tail are no measure of what may come
    below, above = lowest - MARGIN * float(high - low), highest + MARGIN * float(high - low)
    return max(below, 0.0) if lowest >= 0 else below, min(above, 0.0) if highest <= 0 else above
