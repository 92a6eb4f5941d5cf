"""Product kernel densities over unit vectors and category codes, as hpbandster takes them from statsmodels."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Levels = NDArray[np.int64]


@dataclass(frozen=True)
class Density:
    """A kernel at each of n points of d hyperparameters: Gaussian, or Aitchison-Aitken where there are levels.

    ``data`` has shape (n, d): values in [0, 1], codes from 0 for a hyperparameter with ``n_levels``
    (0 says continuous), NaN where the hyperparameter is inactive. A point says nothing about what is inactive
    in it: there its kernel is the uniform density. Without inactive values this is statsmodels' KDEMultivariate.
    """

    data: Floats
    bandwidths: Floats
    n_levels: Levels

    def log_pdf(self, x: Floats) -> Floats:
        """The logarithm of the density at each row of ``x``, which has shape (m, d)."""
        logs = self._features(x) @ self._kernels  # (m, n)
        top = logs.max(axis=1)
        log_pdf: Floats = top + np.log(np.exp(logs - top[:, None]).mean(axis=1))
        return log_pdf

    def sample(self, prior: Floats, rng: np.random.Generator) -> Floats:
        """Draws from the kernels, as many as ``prior`` has rows.

        ``prior`` (m, d) holds draws from the uniform density for what a point says nothing about.
        """
        centres = self.data[rng.integers(len(self.data), size=len(prior))]
        known = ~np.isnan(centres)
        is_level = self.n_levels > 0

        moved = known & is_level & (rng.random(centres.shape) < self.bandwidths)
        drawn = np.where(known & ~moved, centres, prior)
        kept = known & ~is_level
        drawn[kept] = _truncated_normal(centres[kept], np.broadcast_to(self.bandwidths, centres.shape)[kept], rng)
        return drawn

    @cached_property
    def _kernels(self) -> Floats:
        """The points as weights of the features: the logarithm of a product kernel is bilinear in both."""
        is_level = self.n_levels > 0
        there = ~np.isnan(self.data)
        z = np.where(there, self.data, 0.0)[:, ~is_level] / self.bandwidths[~is_level]
        norm = np.log(self.bandwidths[~is_level] * math.sqrt(2 * math.pi))
        active = there[:, ~is_level]
        numbers = [-0.5 * active, z, -0.5 * z * z - active * norm]
        widths, n_levels = self.bandwidths[is_level], self.n_levels[is_level]
        away = np.log(widths / (n_levels - 1))
        gain = np.log1p(-widths) - away
        codes, active = self.data[:, is_level], there[:, is_level]
        inactive = np.where(active, away, -np.log(n_levels))
        same = [np.where(codes == level, gain, 0.0) for level in range(self._most_levels)]
        kernels: Floats = np.hstack([*numbers, inactive, *same]).T
        return kernels

    def _features(self, x: Floats) -> Floats:
        is_level = self.n_levels > 0
        here = ~np.isnan(x)
        z = np.where(here, x, 0.0)[:, ~is_level] / self.bandwidths[~is_level]
        codes = x[:, is_level]
        same = [codes == level for level in range(self._most_levels)]
        return np.hstack([z * z, z, here[:, ~is_level], here[:, is_level], *same]).astype(np.float64)

    @property
    def _most_levels(self) -> int:
        return int(self.n_levels.max(initial=0))


def fit(data: Floats, n_levels: Levels, *, min_bandwidth: float = 1e-3) -> Density:
    """The density of the given points with bandwidths by the rule of thumb.

    Above the uniform distribution over its levels, the bandwidth of a categorical hyperparameter is cut (statsmodels
    lets it go on, to negative densities).
    """
    bandwidths = np.maximum(normal_reference(data), min_bandwidth)
    is_level = n_levels > 0
    bandwidths[is_level] = np.minimum(bandwidths[is_level], 1.0 - 1.0 / n_levels[is_level])
    return Density(data, bandwidths, n_levels)


def normal_reference(data: Floats) -> Floats:
    """Scott's rule of thumb for each column, 1.06 sd n^(-1 / (4 + d)), over the values that are active."""
    active = ~np.isnan(data)
    n = np.maximum(active.sum(axis=0), 1)
    mean = np.nansum(data, axis=0) / n
    deviation = np.sqrt(np.nansum((data - mean) ** 2, axis=0) / n)
    bandwidths: Floats = 1.06 * deviation * n ** (-1.0 / (4 + data.shape[1]))
    return bandwidths


def _truncated_normal(centres: Floats, scales: Floats, rng: np.random.Generator) -> Floats:
    """One draw on [0, 1] for each centre, which lies there too: so enough of the draws are kept."""
    drawn = rng.normal(centres, scales)
    while (outside := (drawn < 0) | (drawn > 1)).any():
        drawn[outside] = rng.normal(centres[outside], scales[outside])
    return drawn
