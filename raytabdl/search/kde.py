"""Product kernel densities over unit vectors and category codes, as hpbandster takes them from statsmodels."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Levels = NDArray[np.int64]


@dataclass(frozen=True)
class Density:
    """A kernel at each of n points of d hyperparameters: Gaussian, or Aitchison-Aitken where there are levels.

    ``data`` has shape (n, d): values in [0, 1], codes from 0 for a hyperparameter with ``n_levels``
    (0 says continuous), NaN where the hyperparameter is inactive. A point says nothing about what is inactive
    in it: there its kernel is the uniform density. ``prior_weight`` adds a uniform density that counts as
    that many points. Without inactive values and prior this is statsmodels' KDEMultivariate.
    """

    data: Floats
    bandwidths: Floats
    n_levels: Levels
    prior_weight: float = 0.0

    def pdf(self, x: Floats) -> Floats:
        """The density at each row of ``x``, which has shape (m, d)."""
        is_level = self.n_levels > 0
        kernels = self._gaussian(x[:, ~is_level], ~is_level) * self._aitchison_aitken(x[:, is_level], is_level)
        uniform = np.where(np.isnan(x[:, is_level]), 1.0, 1.0 / self.n_levels[is_level]).prod(axis=1)
        total: Floats = kernels.sum(axis=1) + self.prior_weight * uniform
        return total / (len(self.data) + self.prior_weight)

    def sample(self, prior: Floats, bandwidth_factor: float, rng: np.random.Generator) -> Floats:
        """Draws from the kernels, those of continuous hyperparameters widened, as many as ``prior`` has rows.

        ``prior`` (m, d) holds draws from the uniform density for what no point speaks about.
        """
        n = len(self.data)
        rows = rng.integers(n, size=len(prior))
        from_prior = rng.random(len(prior)) * (n + self.prior_weight) >= n
        centres = np.where(from_prior[:, None], np.nan, self.data[rows])
        known = ~np.isnan(centres)
        is_level = self.n_levels > 0

        moved = known & is_level & (rng.random(centres.shape) < self.bandwidths)
        drawn = np.where(known & ~moved, centres, prior)
        kept = known & ~is_level
        scales = np.broadcast_to(self.bandwidths * bandwidth_factor, centres.shape)
        drawn[kept] = _truncated_normal(centres[kept], scales[kept], rng)
        return drawn

    def _gaussian(self, x: Floats, columns: NDArray[np.bool_]) -> Floats:
        widths = self.bandwidths[columns]
        z = (x[:, None, :] - self.data[None, :, columns]) / widths  # (m, n, d_continuous)
        logs = -0.5 * z * z - np.log(widths * math.sqrt(2 * math.pi))
        kernels: Floats = np.exp(np.where(np.isnan(z), 0.0, logs).sum(axis=2))
        return kernels

    def _aitchison_aitken(self, x: Floats, columns: NDArray[np.bool_]) -> Floats:
        widths, levels = self.bandwidths[columns], self.n_levels[columns]
        here, there = x[:, None, :], self.data[None, :, columns]
        kernels = np.where(here == there, 1.0 - widths, widths / (levels - 1))
        kernels = np.where(np.isnan(there), 1.0 / levels, kernels)
        product: Floats = np.where(np.isnan(here), 1.0, kernels).prod(axis=2)
        return product


def fit(data: Floats, n_levels: Levels, *, min_bandwidth: float = 1e-3, prior_weight: float = 0.0) -> Density:
    """The density of the given points with bandwidths by the rule of thumb.

    Above the uniform distribution over its levels, the bandwidth of a categorical hyperparameter is cut (statsmodels
    lets it go on, to negative densities).
    """
    bandwidths = np.maximum(normal_reference(data), min_bandwidth)
    is_level = n_levels > 0
    bandwidths[is_level] = np.minimum(bandwidths[is_level], 1.0 - 1.0 / n_levels[is_level])
    return Density(data, bandwidths, n_levels, prior_weight)


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
