"""The scale of a regression target."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from raytabdl.inputs import Array, Weights, mean_and_deviation


@dataclass(frozen=True)
class Standard:
    """The scale of a regression target; predictions are kept within the range seen in training."""

    mean: float = 0.0
    deviation: float = 1.0
    lowest: float = 0.0
    highest: float = 0.0

    @classmethod
    def of(cls, y: Array, weights: Weights = None) -> Standard:
        mean, deviation = mean_and_deviation(y, weights)
        return cls(mean, deviation if deviation > 0 else 1.0, float(y.min()), float(y.max()))

    def standardised(self, y: Array) -> Array:
        return (y - self.mean) / self.deviation

    def value(self, standardised: Array) -> Array:
        return np.clip(standardised.astype(np.float64) * self.deviation + self.mean, self.lowest, self.highest)
