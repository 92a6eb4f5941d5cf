"""Scalers of numeric columns; missing values stay missing."""

from __future__ import annotations

import warnings
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from raytabdl.component import Component

_MAX_FIT_ROWS = 20_000
"""Quantiles of more rows change nothing that a network notices."""


class StandardScaler(Component):
    """Zero mean and unit variance; a constant column becomes 0."""

    name: ClassVar[str] = "standard"

    def __init__(self) -> None:
        self.centre_: NDArray[np.float32] = np.empty(0, np.float32)
        self.factor_: NDArray[np.float32] = np.empty(0, np.float32)

    def fit(self, X: NDArray[np.float32], rng: np.random.Generator) -> StandardScaler:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # a column without a value: nan, mended below
            centre = np.nanmean(X, axis=0, dtype=np.float64)
            deviation = np.nanstd(X, axis=0, dtype=np.float64)
        self.centre_ = np.nan_to_num(centre).astype(np.float32)
        self.factor_ = _inverse(deviation)
        return self

    def transform(self, X: NDArray[np.float32]) -> NDArray[np.float32]:
        return (X - self.centre_) * self.factor_

    def state(self) -> dict[str, NDArray[np.generic]]:
        return {"centre": self.centre_, "factor": self.factor_}

    def restore(self, state: dict[str, NDArray[np.generic]]) -> None:
        self.centre_ = state["centre"].astype(np.float32)
        self.factor_ = state["factor"].astype(np.float32)


class RobustScaler(StandardScaler):
    """Median and interquartile range, then the smooth clip x / sqrt(1 + (x / 3)^2) (RealMLP, Holzmüller et al. 2024).

    Where the quartiles coincide the factor is 2 / (max - min); a constant column becomes 0.
    """

    name: ClassVar[str] = "robust"

    def fit(self, X: NDArray[np.float32], rng: np.random.Generator) -> RobustScaler:
        sample = _sample(X, rng)
        low, centre, high = _quantiles(sample, np.array([0.25, 0.5, 0.75]))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            reach = (np.nanmax(X, axis=0) - np.nanmin(X, axis=0)).astype(np.float64) / 2
        spread = np.where(high > low, high - low, np.nan_to_num(reach))
        self.centre_ = centre.astype(np.float32)
        self.factor_ = _inverse(spread)
        return self

    def transform(self, X: NDArray[np.float32]) -> NDArray[np.float32]:
        scaled = super().transform(X)
        return scaled / np.sqrt(1 + np.square(scaled / 3))


class QuantileScaler(Component):
    """Maps each column to a normal distribution through its quantiles, with noise on the fitted values.

    The noise (1e-3 of the column's deviation) parts ties, so that a column of few values does not
    collapse into few far-apart points (Gorishniy et al. 2021, "Revisiting Deep Learning Models").
    """

    name: ClassVar[str] = "quantile"
    n_quantiles: ClassVar[int] = 500

    def __init__(self) -> None:
        self.quantiles_: NDArray[np.float32] = np.empty((0, 0), np.float32)

    def fit(self, X: NDArray[np.float32], rng: np.random.Generator) -> QuantileScaler:
        sample = _sample(X, rng).astype(np.float64)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            deviation = np.nan_to_num(np.nanstd(sample, axis=0))
        noisy = sample + rng.normal(size=sample.shape) * np.maximum(deviation, 1e-6) * 1e-3
        n_quantiles = int(np.clip(len(sample) // 30, 10, self.n_quantiles))
        quantiles = _quantiles(noisy, np.linspace(0, 1, n_quantiles))
        self.quantiles_ = np.maximum.accumulate(quantiles, axis=0).astype(np.float32)
        return self

    def transform(self, X: NDArray[np.float32]) -> NDArray[np.float32]:
        from scipy.special import ndtri

        levels = np.linspace(0, 1, len(self.quantiles_))
        result = np.empty_like(X)
        for column, quantiles in enumerate(self.quantiles_.T):
            ranks = np.interp(X[:, column], quantiles, levels)  # nan stays nan
            result[:, column] = ndtri(np.clip(ranks, 1e-4, 1 - 1e-4))
        return result

    def state(self) -> dict[str, NDArray[np.generic]]:
        return {"quantiles": self.quantiles_}

    def restore(self, state: dict[str, NDArray[np.generic]]) -> None:
        self.quantiles_ = state["quantiles"].astype(np.float32)


def _sample(X: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    if len(X) <= _MAX_FIT_ROWS:
        return X
    return X[rng.choice(len(X), _MAX_FIT_ROWS, replace=False)]


def _quantiles(X: NDArray[np.floating], levels: NDArray[np.float64]) -> NDArray[np.float64]:
    """Quantiles of each column over its present values, 0 where there are none: (len(levels), d)."""
    result = np.zeros((len(levels), X.shape[1]))
    for column in range(X.shape[1]):
        present = X[:, column][~np.isnan(X[:, column])]
        if len(present):
            result[:, column] = np.quantile(present, levels)
    return result


def _inverse(spread: NDArray[np.float64]) -> NDArray[np.float32]:
    """1 / spread, and 0 where the spread is 0."""
    safe = np.where(spread > 1e-12, spread, 1.0)
    return np.where(spread > 1e-12, 1.0 / safe, 0.0).astype(np.float32)
