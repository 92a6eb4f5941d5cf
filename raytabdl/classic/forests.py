"""Forests of scikit-learn's trees."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from raytabdl.classic.trees import Trees
from raytabdl.component import Choice, Classic, Integer, Real, Space
from raytabdl.inputs import Array, Inputs, Target
from raytabdl.persistence import read_arrays, write_arrays

BELOW_ALL = np.float32(-1e31)
"""What stands for a missing number: less than any that a schema gives."""


class RandomForest(Classic):
    """Averaged randomised trees; iterations are trees.

    Each tree has a seed of its own, so a forest that is grown in steps is the one that is grown at once.
    """

    name: ClassVar[str] = "random_forest"
    space: ClassVar[Space] = {
        "max_features": Real(0.1, 1.0, 0.4),
        "min_samples_leaf": Integer(1, 30, 3, log=True),
        "bootstrap": Choice((True, False), True),
    }
    horizon: ClassVar[int] = 108
    splitter: ClassVar[str] = "best"

    def __init__(
        self,
        target: Target,
        *,
        seed: int,
        n_threads: int,
        max_features: float = 0.4,
        min_samples_leaf: int = 3,
        bootstrap: bool = True,
    ) -> None:
        self.target = target
        self.seed = seed
        self.max_features = max_features
        self.min_samples_leaf = min_samples_leaf
        self.bootstrap = bootstrap
        self.trees_: Trees | None = None
        self._is_growing = False
        self._predicted: tuple[Inputs, int, NDArray[np.float64]] | None = None

    def advance(self, X: Inputs, y: Array, n_iterations: int) -> None:
        from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

        self._is_growing = True
        matrix = _matrix(X)
        cls = DecisionTreeClassifier if self.target.task_type.is_classification else DecisionTreeRegressor
        parts = [] if self.trees_ is None else [self.trees_]
        for i in range(sum(map(len, parts)), n_iterations):
            rng = np.random.default_rng([self.seed, i])
            weights = X.weights
            if self.bootstrap:
                counts = np.bincount(rng.integers(len(y), size=len(y)), minlength=len(y)).astype(np.float64)
                weights = counts if weights is None else counts * weights
            tree = cls(
                splitter=self.splitter,
                max_features=self.max_features,
                min_samples_leaf=self.min_samples_leaf,
                random_state=int(rng.integers(2**31)),
            )
            tree.fit(matrix, y, sample_weight=weights, check_input=False)
            parts.append(self._grown(tree))
        self.trees_ = Trees.joined(parts)

    def predict(self, X: Inputs, n_iterations: int) -> Array:
        assert self.trees_ is not None
        n_iterations = min(n_iterations, len(self.trees_))
        done, total = 0, np.zeros((len(X), max(1, self.target.n_classes)))
        if self._predicted is not None and self._predicted[0] is X and self._predicted[1] <= n_iterations:
            _, done, total = self._predicted
        total = total + self.trees_.sums(X.once(_matrix), done, n_iterations)
        if self._is_growing:  # a forest that only predicts would keep the user's rows
            self._predicted = (X, n_iterations, total)
        mean = total / n_iterations
        return mean if self.target.task_type.is_classification else mean[:, 0]

    def save(self, folder: Path) -> None:
        assert self.trees_ is not None
        write_arrays(folder / "forest.safetensors", self.trees_.state())

    def load(self, folder: Path) -> None:
        self.trees_ = Trees.restored(read_arrays(folder / "forest.safetensors"))

    def _grown(self, tree: Any) -> Trees:
        grown = tree.tree_
        values = grown.value[:, 0, :]
        if self.target.task_type.is_classification:
            # A class that is missing from the training part is missing from the tree as well.
            shares = np.zeros((len(values), self.target.n_classes), np.float32)
            shares[:, tree.classes_.astype(np.int64)] = values / values.sum(axis=1, keepdims=True)
            values = shares
        return Trees.restored(
            {
                "sizes": np.array([len(values)]),
                "feature": grown.feature.astype(np.int32),
                "threshold": _rounded_down(grown.threshold),
                "left": grown.children_left,
                "right": grown.children_right,
                "value": values,
            }
        )


class ExtraTrees(RandomForest):
    """Averaged trees whose thresholds are drawn, one for each feature (Geurts et al., 2006); iterations are trees."""

    name: ClassVar[str] = "extra_trees"
    space: ClassVar[Space] = {
        "max_features": Real(0.1, 1.0, 0.5),
        "min_samples_leaf": Integer(1, 30, 2, log=True),
        "bootstrap": Choice((False, True), False),
    }
    splitter: ClassVar[str] = "random"

    def __init__(
        self,
        target: Target,
        *,
        seed: int,
        n_threads: int,
        max_features: float = 0.5,
        min_samples_leaf: int = 2,
        bootstrap: bool = False,
    ) -> None:
        super().__init__(
            target,
            seed=seed,
            n_threads=n_threads,
            max_features=max_features,
            min_samples_leaf=min_samples_leaf,
            bootstrap=bootstrap,
        )


def _rounded_down(thresholds: NDArray[np.float64]) -> NDArray[np.float32]:
    """The largest float32 that is not above: float32 values fall on the same side of it."""
    rounded = thresholds.astype(np.float32)
    return np.where(rounded > thresholds, np.nextafter(rounded, np.float32(-np.inf)), rounded)


def _matrix(X: Inputs) -> NDArray[np.float32]:
    """Numbers first, then codes; a missing number lies below all others, so that a split can part it from them."""
    numbers = np.where(np.isnan(X.numeric), BELOW_ALL, X.numeric)
    return np.concatenate([numbers, X.categorical.astype(np.float32)], axis=1)
