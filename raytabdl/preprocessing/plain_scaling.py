"""The scalers of Auto-PyTorch beside those that networks are tuned with (Zimmer et al., 2021)."""

from __future__ import annotations

import warnings
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from raytabdl.component import Choice, Real, Space
from raytabdl.preprocessing.scaling import Scaler, StandardScaler, inverse, quantiles_of, sample_rows

_LARGEST = 1e15
"""Values of columns that are not scaled are cut off here: the squares of larger ones are no float32 any more."""

_LARGEST_SCALED = 1_000.0

_MAX_POWER_ROWS = 2_000
"""Rows that the power of a column is sought on, which takes about 30 passes."""

_LARGEST_EXPONENT = 10.0
"""Of the power of Yeo and Johnson; beyond it a column is a step."""


class NoScaler(Scaler):
    """The columns as they are."""

    name: ClassVar[str] = "none"

    def fit(self, X: NDArray[np.float32], rng: np.random.Generator) -> NoScaler:
        return self

    def transform(self, X: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.clip(X, -_LARGEST, _LARGEST)


class _Linear(Scaler):
    """(x - centre) * factor of each column, cut off at 1,000."""

    def __init__(self) -> None:
        self.centre_: NDArray[np.float32] = np.empty(0, np.float32)
        self.factor_: NDArray[np.float32] = np.empty(0, np.float32)

    def fit(self, X: NDArray[np.float32], rng: np.random.Generator) -> _Linear:
        centre, spread = self._centre_and_spread(X, rng)
        self.centre_ = centre.astype(np.float32)
        self.factor_ = inverse(spread, self.centre_)
        return self

    def transform(self, X: NDArray[np.float32]) -> NDArray[np.float32]:
        with np.errstate(over="ignore"):
            scaled = (X - self.centre_) * self.factor_
        return np.asarray(np.clip(scaled, -_LARGEST_SCALED, _LARGEST_SCALED), np.float32)

    def _centre_and_spread(
        self, X: NDArray[np.float32], rng: np.random.Generator
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        raise NotImplementedError


class MinMaxScaler(_Linear):
    """The range of each column becomes 0 to 1; a constant column becomes 0."""

    name: ClassVar[str] = "min_max"

    def _centre_and_spread(
        self, X: NDArray[np.float32], rng: np.random.Generator
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        lowest, highest = _range(X)
        return lowest, highest - lowest


class MaxAbsScaler(_Linear):
    """Each column over its largest absolute value, so that 0 stays 0."""

    name: ClassVar[str] = "max_abs"

    def _centre_and_spread(
        self, X: NDArray[np.float32], rng: np.random.Generator
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        lowest, highest = _range(X)
        return np.zeros(X.shape[1]), np.maximum(np.abs(lowest), np.abs(highest))


class QuantileRangeScaler(_Linear):
    """The median becomes 0, and the quantiles ``q_min`` and ``q_max`` one apart; a column where they coincide, 0."""

    name: ClassVar[str] = "quantile_range"
    space: ClassVar[Space] = {
        "q_min": Real(0.001, 0.3, default=0.25),
        "q_max": Real(0.7, 0.999, default=0.75),
    }

    def __init__(self, *, q_min: float = 0.25, q_max: float = 0.75) -> None:
        if not 0 <= q_min < q_max <= 1:
            raise ValueError(f"must hold 0 <= q_min < q_max <= 1, got {q_min=}, {q_max=}")
        super().__init__()
        self.q_min = q_min
        self.q_max = q_max

    def _centre_and_spread(
        self, X: NDArray[np.float32], rng: np.random.Generator
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        low, centre, high = quantiles_of(sample_rows(X, rng), np.array([self.q_min, 0.5, self.q_max]))
        return centre, high - low


class Normalizer(Scaler):
    """Each row over its norm, of the values that it has: the sum of the absolute ones, the length, or the largest."""

    name: ClassVar[str] = "normalizer"
    space: ClassVar[Space] = {"norm": Choice(("l1", "l2", "max"), default="l2")}

    def __init__(self, *, norm: str = "l2") -> None:
        if norm not in ("l1", "l2", "max"):
            raise ValueError(f"norm must be one of l1, l2, max, got {norm=}")
        self.norm = norm

    def fit(self, X: NDArray[np.float32], rng: np.random.Generator) -> Normalizer:
        return self

    def transform(self, X: NDArray[np.float32]) -> NDArray[np.float32]:
        size = np.nan_to_num(np.abs(X, dtype=np.float64))  # whose squares are no float32
        order = {"l1": 1, "l2": 2, "max": np.inf}[self.norm]
        norms = np.linalg.norm(size, ord=order, axis=1, keepdims=True) if size.size else np.ones((len(X), 1))
        return np.asarray(X / np.where(norms > 0, norms, 1.0), np.float32)


class PowerScaler(Scaler):
    """The power of each standardised column that makes it most like a normal one, standardised (Yeo, Johnson, 2000)."""

    name: ClassVar[str] = "power"

    def __init__(self) -> None:
        self.before_centre_: NDArray[np.float32] = np.empty(0, np.float32)
        self.before_factor_: NDArray[np.float32] = np.empty(0, np.float32)
        self.exponents_: NDArray[np.float64] = np.empty(0, np.float64)
        self.centre_: NDArray[np.float64] = np.empty(0, np.float64)
        self.deviation_: NDArray[np.float64] = np.empty(0, np.float64)

    def fit(self, X: NDArray[np.float32], rng: np.random.Generator) -> PowerScaler:
        from sklearn.preprocessing import PowerTransformer

        before = StandardScaler().fit(X, rng)
        self.before_centre_, self.before_factor_ = before.centre_, before.factor_
        scaled = before.transform(sample_rows(X, rng, _MAX_POWER_ROWS)).astype(np.float64)
        varies = np.array([len(np.unique(column[~np.isnan(column)])) > 1 for column in scaled.T], bool)
        self.exponents_ = np.ones(X.shape[1])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of columns for which no power is much better than others
            if varies.any():
                found = PowerTransformer(standardize=False).fit(scaled[:, varies]).lambdas_
                self.exponents_[varies] = np.clip(np.nan_to_num(found, nan=1.0), -_LARGEST_EXPONENT, _LARGEST_EXPONENT)
            powers = self._powers(sample_rows(X, rng))
            self.centre_ = np.nan_to_num(np.nanmean(powers, axis=0))
            deviation = np.nan_to_num(np.nanstd(powers, axis=0))
        self.deviation_ = np.where(varies & (deviation > 0), deviation, np.inf)
        return self

    def transform(self, X: NDArray[np.float32]) -> NDArray[np.float32]:
        scaled = (self._powers(X) - self.centre_) / self.deviation_
        return np.clip(scaled, -_LARGEST_SCALED, _LARGEST_SCALED).astype(np.float32)

    def _powers(self, X: NDArray[np.float32]) -> NDArray[np.float64]:
        """sign(x) ((|x| + 1)^p - 1) / p, where p is the exponent of positive x and 2 - exponent of negative x."""
        scaled = np.clip((X - self.before_centre_) * self.before_factor_, -_LARGEST_SCALED, _LARGEST_SCALED)
        p = np.where(scaled >= 0, self.exponents_, 2 - self.exponents_)
        logs = np.log1p(np.abs(scaled.astype(np.float64)))
        is_zero = np.abs(p) < 1e-8
        power = np.where(is_zero, logs, np.expm1(p * logs) / np.where(is_zero, 1.0, p))
        return np.asarray(np.sign(scaled) * power, np.float64)


def _range(X: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The lowest and the highest value of each column, 0 where it has none."""
    wide = X.astype(np.float64)
    lowest = np.nanmin(wide, axis=0, initial=np.inf)
    highest = np.nanmax(wide, axis=0, initial=-np.inf)
    return np.where(np.isfinite(lowest), lowest, 0.0), np.where(np.isfinite(highest), highest, 0.0)
