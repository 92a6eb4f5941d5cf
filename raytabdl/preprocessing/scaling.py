"""Scalers of numeric columns: their kind, and those that networks are tuned with."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from functools import cache
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from raytabdl.component import Component
from raytabdl.inputs import Array, Inputs, Target
from raytabdl.preprocessing.step import Step, fitted_arrays, with_numbers

MAX_FIT_ROWS = 20_000
"""Quantiles of more rows change nothing that a network notices."""


class Scaler(Component):
    """Maps numeric columns, one by one, to a range that a network learns from; missing values stay missing.

    Attributes that end in ``_`` are the arrays that ``fit`` sets: they are its state. Others are hyperparameters.
    """

    def fit(self, X: NDArray[np.float32], rng: np.random.Generator) -> Scaler:
        """Learns from the training part, (n, d); ``rng`` draws samples and noise."""
        raise NotImplementedError

    def transform(self, X: NDArray[np.float32]) -> NDArray[np.float32]:
        """(n, d) -> (n, d), finite for any finite value."""
        raise NotImplementedError

    def state(self) -> dict[str, NDArray[Any]]:
        return fitted_arrays(self)

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        for name in fitted_arrays(self):
            setattr(self, name, state[name])


class Scaling(Step):
    """A scaler on the numbers of encoded rows."""

    def __init__(self, scaler: Scaler) -> None:
        self.scaler = scaler

    def fit(self, X: Inputs, y: Array, target: Target, rng: np.random.Generator) -> Scaling:
        self.scaler.fit(X.numeric, rng)
        return self

    def transform(self, X: Inputs) -> Inputs:
        return with_numbers(X, self.scaler.transform(X.numeric))

    def state(self) -> dict[str, NDArray[Any]]:
        return self.scaler.state()

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        self.scaler.restore(state)


class StandardScaler(Scaler):
    """Zero mean and unit variance, cut off at 1,000 deviations; a constant column becomes 0."""

    name: ClassVar[str] = "standard"

    def __init__(self) -> None:
        self.centre_: NDArray[np.float32] = np.empty(0, np.float32)
        self.factor_: NDArray[np.float32] = np.empty(0, np.float32)

    def fit(self, X: NDArray[np.float32], rng: np.random.Generator) -> StandardScaler:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # a column without a value: nan, mended below
            wide = X.astype(np.float64)  # numpy squares in the type of the array, and 1e20 squared is no float32
            centre, deviation = np.nanmean(wide, axis=0), np.nanstd(wide, axis=0)
        self.centre_ = np.asarray(np.nan_to_num(centre), np.float32)
        self.factor_ = inverse(np.nan_to_num(deviation), self.centre_)
        return self

    def transform(self, X: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.asarray(np.clip((X - self.centre_) * self.factor_, -1_000, 1_000))


class RobustScaler(Scaler):
    """Median and interquartile range, then the smooth clip x / sqrt(1 + (x / 3)^2) (RealMLP, Holzmüller et al. 2024).

    Where the quartiles coincide the factor is 2 / (max - min); a constant column becomes 0.
    """

    name: ClassVar[str] = "robust"

    def __init__(self) -> None:
        self.centre_: NDArray[np.float32] = np.empty(0, np.float32)
        self.factor_: NDArray[np.float32] = np.empty(0, np.float32)

    def fit(self, X: NDArray[np.float32], rng: np.random.Generator) -> RobustScaler:
        low, centre, high = quantiles_of(sample_rows(X, rng), np.array([0.25, 0.5, 0.75]))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            reach = np.nan_to_num((np.nanmax(X, axis=0) - np.nanmin(X, axis=0)).astype(np.float64)) / 2
        self.centre_ = centre.astype(np.float32)
        self.factor_ = inverse(np.where(high > low, high - low, reach), self.centre_)
        return self

    def transform(self, X: NDArray[np.float32]) -> NDArray[np.float32]:
        with np.errstate(over="ignore"):
            scaled = np.clip((X - self.centre_) * self.factor_, -1e30, 1e30)
        return np.asarray(scaled / np.hypot(np.float32(1), scaled / 3))  # sqrt(1 + ...), whose square would overflow


class QuantileScaler(Scaler):
    """Maps each column to a normal distribution through its quantiles, with noise on the fitted values.

    The noise (1e-3 of the column's deviation) parts ties, so that a column of few values does not
    collapse into few far-apart points (Gorishniy et al. 2021, "Revisiting Deep Learning Models"). A constant column
    becomes 0.
    """

    name: ClassVar[str] = "quantile"
    n_quantiles: ClassVar[int] = 500

    def __init__(self) -> None:
        self.quantiles_: NDArray[np.float32] = np.empty((0, 0), np.float32)

    def fit(self, X: NDArray[np.float32], rng: np.random.Generator) -> QuantileScaler:
        sample = sample_rows(X, rng).astype(np.float64)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            deviation = np.nan_to_num(np.nanstd(sample, axis=0))
            is_constant = ~(np.nanmax(sample, axis=0, initial=-np.inf) > np.nanmin(sample, axis=0, initial=np.inf))
        noisy = sample + rng.normal(size=sample.shape) * np.where(deviation > 0, deviation, 1.0) * 1e-3
        n_quantiles = int(np.clip(len(sample) // 30, 10, self.n_quantiles))
        quantiles = quantiles_of(noisy, np.linspace(0, 1, n_quantiles))
        widest = float(np.finfo(np.float32).max)
        quantiles[:, is_constant] = np.linspace(-widest, widest, n_quantiles)[:, None]  # every value is in the middle
        self.quantiles_ = np.maximum.accumulate(quantiles, axis=0).astype(np.float32)
        return self

    def transform(self, X: NDArray[np.float32]) -> NDArray[np.float32]:
        from scipy.special import ndtri

        levels = _levels(len(self.quantiles_))
        result = np.empty_like(X)
        for column, quantiles in enumerate(self.quantiles_.T):
            ranks = np.interp(X[:, column], quantiles, levels)  # nan stays nan
            result[:, column] = ndtri(np.minimum(np.maximum(ranks, 1e-4), 1 - 1e-4))
        return result


@cache
def _levels(n_quantiles: int) -> NDArray[np.float64]:
    return np.linspace(0, 1, n_quantiles)


def sample_rows(X: NDArray[np.float32], rng: np.random.Generator, n_rows: int = MAX_FIT_ROWS) -> NDArray[np.float32]:
    if len(X) <= n_rows:
        return X
    return X[rng.choice(len(X), n_rows, replace=False)]


def quantiles_of(X: NDArray[np.floating], levels: NDArray[np.float64]) -> NDArray[np.float64]:
    """Quantiles of each column over its present values, 0 where there are none: (len(levels), d)."""
    result = np.zeros((len(levels), X.shape[1]))
    for column in range(X.shape[1]):
        present = X[:, column][~np.isnan(X[:, column])]
        if len(present):
            result[:, column] = np.quantile(present, levels)
    return result


def inverse(spread: NDArray[np.float64], centre: NDArray[np.float32]) -> NDArray[np.float32]:
    """1 / spread, and 0 where the spread is 0 or no more than the rounding of the centre."""
    least = np.maximum(np.finfo(np.float32).tiny, 1e-12 * np.abs(centre, dtype=np.float64))
    return np.where(spread > least, 1.0 / np.maximum(spread, least), 0.0).astype(np.float32)
