"""The scale of a regression target."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from raytabdl.inputs import Array


@dataclass(frozen=True)
class Standard:
    """The scale of a regression target; predictions are kept within the range seen in training."""

    mean: float = 0.0
    deviation: float = 1.0
    lowest: float = 0.0
    highest: float = 0.0

    @classmethod
    def of(cls, y: Array) -> Standard:
        deviation = float(y.std())
        return cls(float(y.mean()), deviation if deviation > 0 else 1.0, float(y.min()), float(y.max()))

    def standardised(self, y: Array) -> Array:
        return (y - self.mean) / self.deviation

    def value(self, standardised: Array) -> Array:
        return np.clip(standardised.astype(np.float64) * self.deviation + self.mean, self.lowest, self.highest)
