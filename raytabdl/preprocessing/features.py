"""New numbers made of pairs of others."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import combinations, combinations_with_replacement
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from raytabdl.component import Choice, Integer, Space
from raytabdl.inputs import Array, Inputs, Rows, Target
from raytabdl.preprocessing.relevance import N_ROWS, relevance
from raytabdl.preprocessing.scaling import RobustScaler
from raytabdl.preprocessing.step import MAX_COLUMNS, Step, sample, with_numbers

_LARGEST = 1_000.0

_MAX_PAIRED = 20
"""Columns of which pairs are made, the most relevant ones: 190 pairs, 950 candidates."""

_LEAST_DIVISOR = 0.01
"""Scaled numbers lie around 0; a quotient by less than this is noise."""

Numbers = NDArray[np.float32]
_OPERATIONS: tuple[Callable[[Numbers, Numbers], Numbers], ...] = (
    lambda a, b: a + b,
    lambda a, b: a - b,
    lambda a, b: a * b,
    lambda a, b: a / _divisor(b),
    lambda a, b: b / _divisor(a),
)


class PolynomialFeatures(Step):
    """The products of up to ``degree`` columns, beside the columns.

    Of the most relevant columns only, as many as have ``MAX_COLUMNS`` products at most; products are cut off at 1,000.
    """

    name: ClassVar[str] = "polynomial"
    space: ClassVar[Space] = {
        "degree": Integer(2, 3, default=2),
        "interaction_only": Choice((False, True), default=False),
    }

    def __init__(self, *, degree: int = 2, interaction_only: bool = False) -> None:
        self.degree = degree
        self.interaction_only = interaction_only
        self.terms_: Rows = np.empty((0, degree), np.int64)  # the columns of each product, -1 for a missing factor

    def fit(self, X: Inputs, y: Array, target: Target, rng: np.random.Generator) -> PolynomialFeatures:
        few, y_few = sample(X, y, N_ROWS, rng)
        most_first = np.argsort(-relevance(few.numeric, y_few, target), kind="stable")
        n = next(n for n in range(len(most_first), -1, -1) if self._n_terms(n) <= MAX_COLUMNS)
        choose = combinations if self.interaction_only else combinations_with_replacement
        terms = [
            (*term, *[-1] * (self.degree - len(term)))
            for degree in range(2, self.degree + 1)
            for term in choose(np.sort(most_first[:n]).tolist(), degree)
        ]
        self.terms_ = np.array(terms, np.int64).reshape(-1, self.degree)
        return self

    def transform(self, X: Inputs) -> Inputs:
        bounded = np.clip(X.numeric, -_LARGEST, _LARGEST)
        factors = np.concatenate([bounded, np.ones((len(X), 1), np.float32)], axis=1)  # column -1 is 1
        products = np.ones((len(X), len(self.terms_)), np.float32)
        for columns in self.terms_.T:
            products *= factors[:, columns]
        return with_numbers(X, np.concatenate([X.numeric, np.clip(products, -_LARGEST, _LARGEST)], axis=1))

    def _n_terms(self, n: int) -> int:
        """How many products n columns have."""
        return sum(math.comb(n if self.interaction_only else n + k - 1, k) for k in range(2, self.degree + 1))


class Arithmetic(Step):
    """Sums, differences, products and quotients of two columns that say more of the target than either column.

    The ``n_features`` with the largest gain in relevance are added to the columns, scaled as by ``RobustScaler``.
    """

    name: ClassVar[str] = "arithmetic"
    space: ClassVar[Space] = {"n_features": Integer(5, 100, default=20, log=True)}

    def __init__(self, *, n_features: int = 20) -> None:
        self.n_features = n_features
        self.pairs_: Rows = np.empty((0, 2), np.int64)
        self.operations_: Rows = np.empty(0, np.int64)
        self.centre_: NDArray[np.float32] = np.empty(0, np.float32)
        self.factor_: NDArray[np.float32] = np.empty(0, np.float32)

    def fit(self, X: Inputs, y: Array, target: Target, rng: np.random.Generator) -> Arithmetic:
        few, y_few = sample(X, y, N_ROWS, rng)
        self._select(few.numeric, y_few, target)
        scaler = RobustScaler().fit(self._values(X.numeric), rng)
        self.centre_, self.factor_ = scaler.centre_, scaler.factor_
        return self

    def transform(self, X: Inputs) -> Inputs:
        scaler = RobustScaler()
        scaler.centre_, scaler.factor_ = self.centre_, self.factor_
        return with_numbers(X, np.concatenate([X.numeric, scaler.transform(self._values(X.numeric))], axis=1))

    def _select(self, numbers: Numbers, y: Array, target: Target) -> None:
        alone = relevance(numbers, y, target)
        paired = np.sort(np.argsort(-alone, kind="stable")[:_MAX_PAIRED])
        pairs = np.array(list(combinations(paired, 2)), np.int64).reshape(-1, 2)
        first, second = numbers[:, pairs[:, 0]], numbers[:, pairs[:, 1]]
        together = [relevance(operation(first, second), y, target) for operation in _OPERATIONS]
        gains = (np.stack(together) - alone[pairs].max(axis=1, initial=0)).ravel()  # operation by operation
        best = np.argsort(-gains, kind="stable")[: self.n_features]
        best = best[gains[best] > 0]
        self.operations_, self.pairs_ = best // max(1, len(pairs)), pairs[best % max(1, len(pairs))]

    def _values(self, numbers: Numbers) -> Numbers:
        values = np.empty((len(numbers), len(self.pairs_)), np.float32)
        for index, operation in enumerate(_OPERATIONS):
            at = np.flatnonzero(self.operations_ == index)
            values[:, at] = operation(numbers[:, self.pairs_[at, 0]], numbers[:, self.pairs_[at, 1]])
        return values


def _divisor(b: Numbers) -> Numbers:
    return np.where(np.abs(b) < _LEAST_DIVISOR, np.copysign(np.float32(_LEAST_DIVISOR), b), b)
