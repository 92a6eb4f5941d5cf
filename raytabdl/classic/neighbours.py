"""The k nearest neighbours."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from raytabdl.classic.design import Design
from raytabdl.component import Choice, Classic, Integer, Real, Space
from raytabdl.inputs import Array, Inputs, Target
from raytabdl.persistence import read_arrays, write_arrays

_MAX_ROWS = 20_000
"""Training rows that are kept, a random part of more: a prediction looks at each of them."""

_MAX_VALUES = 5_000_000
"""Values of the kept rows, 20 MB: of a wide table fewer rows are kept."""

_BLOCK_DISTANCES = 2_000_000
"""Distances computed at once, 16 MB for each of the few arrays that this takes."""

Keys = NDArray[np.int64]
"""A squared distance, as the bits of a float32, above the place of the row: whole numbers in the order of the distance,
which no two rows share. So ties do not depend on how many rows are predicted at once."""


class NearestNeighbours(Classic):
    """The mean of the k nearest training rows; iterations are 27ths of the rows that are kept, in random order.

    The squared distance is that of the scaled numbers plus ``category_weight`` for each category that differs. Class
    frequencies count as one more neighbour, since no class is impossible. Weighted rows have weighted votes.
    """

    name: ClassVar[str] = "neighbours"
    space: ClassVar[Space] = {
        "k": Integer(1, 100, 15, log=True),
        "weights": Choice(("uniform", "distance"), "distance"),
        "category_weight": Real(0.1, 10.0, 1.0, log=True),
    }
    horizon: ClassVar[int] = 27
    is_shortened: ClassVar[bool] = False

    def __init__(
        self,
        target: Target,
        *,
        seed: int,
        n_threads: int,
        k: int = 15,
        weights: str = "distance",
        category_weight: float = 1.0,
    ) -> None:
        self.target = target
        self.seed = seed
        self.k = k
        self.weights = weights
        self.category_weight = category_weight
        self.design_ = Design()
        self.n_rows_ = 0  # of the last iteration
        self.n_kept_ = 0  # of those so far
        self.numbers_ = np.empty((0, 0), np.float32)
        self.codes_ = np.empty((0, 0), np.int32)
        self.y_: NDArray[np.float64] = np.empty(0)
        self.prior_: NDArray[np.float64] = np.empty(0)
        self.row_weights_: NDArray[np.float64] = np.empty(0)
        self._is_training = False
        self._nearest: tuple[Inputs, int, Keys] | None = None

    def advance(self, X: Inputs, y: Array, n_iterations: int) -> None:
        self._is_training = True
        n_columns = X.n_columns
        self.n_rows_ = min(len(X), _MAX_ROWS, max(1, _MAX_VALUES // max(1, n_columns)))
        self.n_kept_ = max(self.n_kept_, self._n_rows(n_iterations))
        if self.n_kept_ <= len(self.y_):
            return
        order = np.random.default_rng(self.seed).permutation(len(X))[: self.n_rows_]
        kept = X.take(order)
        self.numbers_, self.codes_ = self.design_.fit(X).numbers(kept), kept.categorical
        self.y_ = y[order].astype(np.float64)
        self.row_weights_ = np.ones(len(order)) if kept.weights is None else kept.weights
        if self.target.task_type.is_classification:
            counts = np.bincount(y.astype(np.int64), X.weights, minlength=self.target.n_classes)
            self.prior_ = counts / counts.sum()

    def predict(self, X: Inputs, n_iterations: int) -> Array:
        nearest = self._search(X, min(self._n_rows(n_iterations), self.n_kept_))
        distances = np.sqrt((nearest >> 32).astype(np.int32).view(np.float32).astype(np.float64))
        rows = nearest & 0xFFFFFFFF
        y, weights = self.y_[rows], self.row_weights_[rows]
        if self.weights == "distance":
            weights = weights / np.maximum(distances, 1e-6)
            weights *= weights.shape[1] / weights.sum(axis=1, keepdims=True)  # k neighbours in all, as in uniform
        if not self.target.task_type.is_classification:
            return np.asarray((weights * y).sum(axis=1) / weights.sum(axis=1))
        n_classes = self.target.n_classes
        places = np.arange(len(y))[:, None] * n_classes + y.astype(np.int64)
        votes = np.bincount(places.ravel(), weights.ravel(), len(y) * n_classes).reshape(-1, n_classes)
        return np.asarray((votes + self.prior_) / (weights.sum(axis=1, keepdims=True) + 1))

    def save(self, folder: Path) -> None:
        arrays: dict[str, NDArray[Any]] = {
            "numbers": self.numbers_[: self.n_kept_],
            "codes": self.codes_[: self.n_kept_],
            "y": self.y_[: self.n_kept_],
            "row_weights": self.row_weights_[: self.n_kept_],
            "prior": self.prior_,
            "n_rows": np.array([self.n_rows_]),
            **self.design_.state(),
        }
        write_arrays(folder / "neighbours.safetensors", arrays)

    def load(self, folder: Path) -> None:
        arrays = read_arrays(folder / "neighbours.safetensors")
        self.numbers_, self.codes_, self.y_ = arrays["numbers"], arrays["codes"], arrays["y"]
        self.prior_ = arrays["prior"]
        self.row_weights_ = arrays.get("row_weights", np.ones(len(self.y_)))  # 0.1 had none
        self.n_rows_, self.n_kept_ = int(arrays["n_rows"][0]), len(self.y_)
        self.design_.restore(arrays)

    def _n_rows(self, n_iterations: int) -> int:
        return math.ceil(self.n_rows_ * min(n_iterations, self.horizon) / self.horizon)

    def _search(self, X: Inputs, n_kept: int) -> Keys:
        """The keys of the nearest of the first rows, (n, k); what was searched before is not looked at again."""
        done, keys = 0, np.empty((len(X), 0), np.int64)
        if self._nearest is not None and self._nearest[0] is X and self._nearest[1] <= n_kept:
            _, done, keys = self._nearest
        if n_kept > done:
            numbers = self.design_.numbers(X).astype(np.float64)
            n_block = max(1, _BLOCK_DISTANCES // (n_kept - done))
            blocks = [slice(begin, begin + n_block) for begin in range(0, len(X), n_block)]
            keys = np.concatenate(
                [
                    self._nearest_of(
                        keys[block], self._distances(numbers[block], X.categorical[block], done, n_kept), done
                    )
                    for block in blocks
                ]
            )
        if self._is_training:  # a model that only predicts would keep the user's rows
            self._nearest = (X, n_kept, keys)
        return keys

    def _distances(
        self, numbers: NDArray[np.float64], codes: NDArray[np.int32], begin: int, end: int
    ) -> NDArray[np.float32]:
        """Squared distances to the kept rows from ``begin`` to ``end``."""
        kept = self.numbers_[begin:end].astype(np.float64)
        squares = np.square(numbers).sum(axis=1)[:, None] + np.square(kept).sum(axis=1) - 2 * numbers @ kept.T
        for column, kept_column in zip(codes.T, self.codes_[begin:end].T, strict=True):
            squares += self.category_weight * (column[:, None] != kept_column)
        return np.asarray(np.maximum(squares, 0), np.float32)

    def _nearest_of(self, known: Keys, distances: NDArray[np.float32], begin: int) -> Keys:
        """The smallest k keys, in order: of those that are known and of new rows from the place ``begin``."""
        new = distances.view(np.int32).astype(np.int64) << 32 | (begin + np.arange(distances.shape[1]))
        keys = np.concatenate([known, new], axis=1)
        if keys.shape[1] > self.k:
            keys = np.partition(keys, self.k - 1, axis=1)[:, : self.k]
        return np.sort(keys, axis=1)
