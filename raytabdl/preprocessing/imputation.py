"""Missing numbers."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from raytabdl.component import Choice, Real, Space
from raytabdl.inputs import Array, Inputs, Target
from raytabdl.preprocessing.scaling import quantiles_of, sample_rows
from raytabdl.preprocessing.step import Step, with_numbers


class MissingIndicator:
    """Fills missing values with 0, which is the centre after scaling, and appends a 0/1 column for each
    column that had missing values in training.
    """

    def __init__(self) -> None:
        self.columns_: NDArray[np.int64] = np.empty(0, np.int64)

    def fit(self, X: NDArray[np.float32]) -> MissingIndicator:
        self.columns_ = np.flatnonzero(np.isnan(X).any(axis=0))
        return self

    def transform(self, X: NDArray[np.float32]) -> NDArray[np.float32]:
        """(n, d) -> (n, d + number of columns with missing values)."""
        missing = np.isnan(X)
        filled = np.where(missing, np.float32(0), X)
        if len(self.columns_) == 0:
            return filled
        return np.concatenate([filled, missing[:, self.columns_].astype(np.float32)], axis=1)

    def state(self) -> dict[str, NDArray[Any]]:
        return {"columns": self.columns_}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        self.columns_ = state["columns"]


class ZeroImputer(Step):
    """0 for a missing number, the centre after scaling, and an indicator of each column that lacks some."""

    name: ClassVar[str] = "zero"

    def __init__(self) -> None:
        self._indicator = MissingIndicator()

    def fit(self, X: Inputs, y: Array, target: Target, rng: np.random.Generator) -> ZeroImputer:
        self._indicator.fit(X.numeric)
        return self

    def transform(self, X: Inputs) -> Inputs:
        return with_numbers(X, self._indicator.transform(X.numeric))

    def state(self) -> dict[str, NDArray[Any]]:
        return self._indicator.state()

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        self._indicator.restore(state)


class _Imputer(Step):
    """A value of each column for its missing numbers, 0 where the training part has none at all."""

    space: ClassVar[Space] = {"indicator": Choice((True, False), default=True)}

    def __init__(self, *, indicator: bool = True) -> None:
        self.indicator = indicator
        self.values_: NDArray[np.float32] = np.empty(0, np.float32)
        self.columns_: NDArray[np.int64] = np.empty(0, np.int64)  # with an indicator

    def fit(self, X: Inputs, y: Array, target: Target, rng: np.random.Generator) -> _Imputer:
        self.values_ = np.asarray(self._values(X.numeric, rng), np.float32)
        if self.indicator:
            self.columns_ = np.flatnonzero(np.isnan(X.numeric).any(axis=0))
        return self

    def transform(self, X: Inputs) -> Inputs:
        missing = np.isnan(X.numeric)
        filled = np.where(missing, self.values_, X.numeric)
        return with_numbers(X, np.concatenate([filled, missing[:, self.columns_].astype(np.float32)], axis=1))

    def _values(self, X: NDArray[np.float32], rng: np.random.Generator) -> NDArray[Any]:
        raise NotImplementedError


class MeanImputer(_Imputer):
    """The mean of a column for its missing numbers."""

    name: ClassVar[str] = "mean"

    def _values(self, X: NDArray[np.float32], rng: np.random.Generator) -> NDArray[Any]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # a column without a value
            return np.asarray(np.nan_to_num(np.nanmean(X, axis=0, dtype=np.float64)))


class MedianImputer(_Imputer):
    """The median of a column for its missing numbers."""

    name: ClassVar[str] = "median"

    def _values(self, X: NDArray[np.float32], rng: np.random.Generator) -> NDArray[Any]:
        return quantiles_of(sample_rows(X, rng), np.array([0.5])).ravel()


class MostFrequentImputer(_Imputer):
    """The most frequent number of a column for its missing ones, the lowest of several."""

    name: ClassVar[str] = "most_frequent"

    def _values(self, X: NDArray[np.float32], rng: np.random.Generator) -> NDArray[Any]:
        values = np.zeros(X.shape[1])
        for column, numbers in enumerate(sample_rows(X, rng).T):
            levels, counts = np.unique(numbers[~np.isnan(numbers)], return_counts=True)
            if len(levels):
                values[column] = levels[counts.argmax()]
        return values


class ConstantImputer(_Imputer):
    """One value for all missing numbers; after scaling most others lie between -3 and 3."""

    name: ClassVar[str] = "constant"
    space: ClassVar[Space] = {**_Imputer.space, "value": Real(-3.0, 3.0, default=0.0)}

    def __init__(self, *, indicator: bool = True, value: float = 0.0) -> None:
        super().__init__(indicator=indicator)
        self.value = value

    def _values(self, X: NDArray[np.float32], rng: np.random.Generator) -> NDArray[Any]:
        return np.full(X.shape[1], self.value)
