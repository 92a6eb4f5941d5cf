"""Encoders of categories: as codes, for a network that learns vectors of them, or as numbers."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from raytabdl.component import Integer, Real, Space
from raytabdl.inputs import Array, Inputs, Rows, Target, TaskType
from raytabdl.preprocessing.step import MAX_COLUMNS, Step, with_categories, with_numbers
from raytabdl.validation import partition

_MAX_CLASSES = 10
"""Classes whose shares are encoded, the most frequent ones: a table of 100,000 levels and all classes is too large."""

_N_FOLDS = 5


class Encoder(Step):
    """Makes numbers of some or all categories; what it leaves as codes the network learns vectors of."""

    is_scaled: ClassVar[bool] = True
    """Whether its numbers are scaled as those of the table are; 0 and 1 of a one-hot code stay what they are."""


class Codes(Encoder):
    """The categories as they are."""

    name: ClassVar[str] = "codes"

    def fit(self, X: Inputs, y: Array, target: Target, rng: np.random.Generator) -> Codes:
        return self

    def transform(self, X: Inputs) -> Inputs:
        return X


class OneHot(Encoder):
    """A 0/1 column for each level that the training part has; a level that it lacks is 0 in all of them.

    Columns with more than ``max_levels`` levels stay codes, and so do those with the most where there would be more
    than ``MAX_COLUMNS`` in all.
    """

    name: ClassVar[str] = "one_hot"
    space: ClassVar[Space] = {"max_levels": Integer(3, 300, default=300, log=True)}
    is_scaled: ClassVar[bool] = False

    def __init__(self, *, max_levels: int = 300) -> None:
        self.max_levels = max_levels
        self.columns_: Rows = np.empty(0, np.int64)  # of each 0/1 column
        self.levels_: NDArray[np.int32] = np.empty(0, np.int32)
        self.kept_: Rows = np.empty(0, np.int64)

    def fit(self, X: Inputs, y: Array, target: Target, rng: np.random.Generator) -> OneHot:
        levels = [np.unique(codes[codes > 0]) for codes in X.categorical.T]
        n_levels = np.array([len(found) for found in levels], np.int64)
        fewest_first = np.argsort(n_levels, kind="stable")
        fits = (np.cumsum(n_levels[fewest_first]) <= MAX_COLUMNS) & (n_levels[fewest_first] <= self.max_levels)
        encoded = np.sort(fewest_first[fits])
        self.kept_ = np.sort(fewest_first[~fits])
        self.columns_ = np.repeat(encoded, n_levels[encoded])
        self.levels_ = np.concatenate([np.empty(0, np.int32), *(levels[j] for j in encoded)]).astype(np.int32)
        return self

    def transform(self, X: Inputs) -> Inputs:
        indicators = X.categorical[:, self.columns_] == self.levels_
        return _encoded(X, indicators, self.kept_)


class Ordinal(Encoder):
    """The codes as numbers: 0 is a level that was not seen, 1 the most frequent one."""

    name: ClassVar[str] = "ordinal"

    def fit(self, X: Inputs, y: Array, target: Target, rng: np.random.Generator) -> Ordinal:
        return self

    def transform(self, X: Inputs) -> Inputs:
        return _encoded(X, X.categorical, np.empty(0, np.int64))


class TargetEncoding(Encoder):
    """The mean target of each level, drawn towards that of all rows by ``smoothing`` rows (Micci-Barreca, 2001).

    Of several classes each has a column, its share. A row of the training part is encoded from the rows of other folds,
    so that its own target is not in it; new rows are encoded from all. Where there would be more than ``MAX_COLUMNS``
    columns, those with the fewest levels stay codes.
    """

    name: ClassVar[str] = "target"
    space: ClassVar[Space] = {"smoothing": Real(1.0, 100.0, default=10.0, log=True)}

    def __init__(self, *, smoothing: float = 10.0) -> None:
        self.smoothing = smoothing
        self.columns_: Rows = np.empty(0, np.int64)
        self.kept_: Rows = np.empty(0, np.int64)
        self.means_: NDArray[np.float32] = np.empty((0, 0), np.float32)  # (levels of all columns, outputs)

    def fit(self, X: Inputs, y: Array, target: Target, rng: np.random.Generator) -> TargetEncoding:
        truth = truths(y, target)
        n_encoded = MAX_COLUMNS // truth.shape[1]
        most_first = np.argsort([-cardinality for cardinality in X.cardinalities], kind="stable").astype(np.int64)
        self.columns_, self.kept_ = np.sort(most_first[:n_encoded]), np.sort(most_first[n_encoded:])
        self.means_ = level_means(with_categories(X, self.columns_), truth, self.smoothing)
        return self

    def transform(self, X: Inputs) -> Inputs:
        return _encoded(X, look_up(with_categories(X, self.columns_), self.means_), self.kept_)

    def fit_transform(self, X: Inputs, y: Array, target: Target, rng: np.random.Generator) -> Inputs:
        self.fit(X, y, target, rng)
        columns = with_categories(X, self.columns_)
        return _encoded(X, out_of_fold(columns, y, target, self.smoothing, rng), self.kept_)


def truths(y: Array, target: Target) -> NDArray[np.float64]:
    """What means are taken of, (n, outputs): the standardised target, the second of two classes, or each of several."""
    if not target.task_type.is_classification:
        spread = float(y.std())
        return np.asarray((y[:, None] - y.mean()) / (spread if spread > 0 else 1.0), np.float64)
    if target.task_type is TaskType.BINARY:
        return np.asarray(y[:, None] == 1, np.float64)
    counts = np.bincount(y.astype(np.int64), minlength=target.n_classes)
    classes = np.sort(np.argsort(-counts, kind="stable")[:_MAX_CLASSES])
    return np.asarray(y[:, None] == classes, np.float64)


def level_means(X: Inputs, truth: NDArray[np.float64], smoothing: float) -> NDArray[np.float32]:
    """(sum + smoothing * mean of all) / (count + smoothing) of each level, column after column: (levels, outputs)."""
    places = X.categorical + _offsets(X)
    n_levels = sum(X.cardinalities)
    counts = np.bincount(places.ravel(), minlength=n_levels)[:, None]
    sums = np.stack(
        [np.bincount(places.ravel(), np.repeat(of, places.shape[1]), minlength=n_levels) for of in truth.T], axis=1
    )
    prior = truth.mean(axis=0) if len(truth) else np.zeros(truth.shape[1])
    return np.asarray((sums + smoothing * prior) / (counts + smoothing), np.float32)


def look_up(X: Inputs, means: NDArray[np.float32]) -> NDArray[np.float32]:
    """The means of each row's levels: (n, d_cat * outputs)."""
    return np.reshape(means[X.categorical + _offsets(X)], (len(X), len(X.cardinalities) * means.shape[1]))


def out_of_fold(X: Inputs, y: Array, target: Target, smoothing: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """The means of each row's levels over the rows of other folds, which are alike in their targets."""
    truth = truths(y, target)
    folds = partition(y, Target(TaskType.REGRESSION, 0), _N_FOLDS, rng)  # by sorted targets, classes among them
    means = np.empty((len(X), truth.shape[1] * len(X.cardinalities)), np.float32)
    for fold in range(_N_FOLDS):
        rows, others = np.flatnonzero(folds == fold), np.flatnonzero(folds != fold)
        means[rows] = look_up(X.take(rows), level_means(X.take(others), truth[others], smoothing))
    return means


def _offsets(X: Inputs) -> NDArray[np.int64]:
    """Where the levels of each column begin among those of all."""
    return np.cumsum([0, *X.cardinalities], dtype=np.int64)[:-1]


def _encoded(X: Inputs, numbers: NDArray[np.generic], kept: Rows) -> Inputs:
    """The rows with more numbers behind those that they have, and only the kept columns of codes."""
    return with_numbers(with_categories(X, kept), np.concatenate([X.numeric, numbers.astype(np.float32)], axis=1))
