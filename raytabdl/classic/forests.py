"""Forests of scikit-learn's trees, kept as plain arrays."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from raytabdl.component import Choice, Classic, Integer, Real, Space
from raytabdl.inputs import Array, Inputs, Target
from raytabdl.persistence import read_arrays, write_arrays

BELOW_ALL = np.float32(-1e31)
"""What stands for a missing number: less than any that a schema gives."""

_FIELDS = ("feature", "threshold", "left", "right", "value")


class RandomForest(Classic):
    """Averaged randomised trees; iterations are trees.

    Each tree has a seed of its own, so a forest that is grown in steps is the one that is grown at once.
    After the fit a tree is five arrays (feature, threshold, children, value), which need neither pickle
    nor the same version of scikit-learn to be read.
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
        self.trees_: list[dict[str, NDArray[Any]]] = []
        self._is_growing = False
        self._predicted: tuple[Inputs, int, NDArray[np.float64]] | None = None

    def advance(self, X: Inputs, y: Array, n_iterations: int) -> None:
        from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

        self._is_growing = True
        matrix = _matrix(X)
        cls = DecisionTreeClassifier if self.target.task_type.is_classification else DecisionTreeRegressor
        while len(self.trees_) < n_iterations:
            rng = np.random.default_rng([self.seed, len(self.trees_)])
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
            self.trees_.append(self._arrays(tree))

    def predict(self, X: Inputs, n_iterations: int) -> Array:
        n_iterations = min(n_iterations, len(self.trees_))
        done, total = 0, np.zeros((len(X), max(1, self.target.n_classes)))
        if self._predicted is not None and self._predicted[0] is X and self._predicted[1] <= n_iterations:
            _, done, total = self._predicted
        matrix = _matrix(X)
        for tree in self.trees_[done:n_iterations]:
            total = total + _leaf_values(tree, matrix)
        if self._is_growing:  # a forest that only predicts would keep the user's rows
            self._predicted = (X, n_iterations, total)
        mean = total / n_iterations
        return mean if self.target.task_type.is_classification else mean[:, 0]

    def save(self, folder: Path) -> None:
        sizes = np.array([len(tree["feature"]) for tree in self.trees_], np.int64)
        stacked = {field: np.concatenate([tree[field] for tree in self.trees_]) for field in _FIELDS}
        write_arrays(folder / "forest.safetensors", {"sizes": sizes, **stacked})

    def load(self, folder: Path) -> None:
        arrays = read_arrays(folder / "forest.safetensors")
        ends = np.cumsum(arrays["sizes"])
        self.trees_ = [
            {field: arrays[field][start:end] for field in _FIELDS}
            for start, end in zip(ends - arrays["sizes"], ends, strict=True)
        ]

    def _arrays(self, tree: Any) -> dict[str, NDArray[Any]]:
        grown = tree.tree_
        values = grown.value[:, 0, :]
        if self.target.task_type.is_classification:
            # A class that is missing from the training part is missing from the tree as well.
            shares = np.zeros((len(values), self.target.n_classes), np.float32)
            shares[:, tree.classes_.astype(np.int64)] = values / values.sum(axis=1, keepdims=True)
            values = shares
        return {
            "feature": grown.feature.astype(np.int32),
            "threshold": _rounded_down(grown.threshold),
            "left": grown.children_left.astype(np.int32),
            "right": grown.children_right.astype(np.int32),
            "value": values,
        }


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


def _leaf_values(tree: dict[str, NDArray[Any]], matrix: NDArray[np.float32]) -> NDArray[np.floating]:
    """The value of the leaf that each row falls into: all rows walk down the tree together."""
    node = np.zeros(len(matrix), np.int32)
    active = np.arange(len(matrix))
    left, right, feature, threshold = tree["left"], tree["right"], tree["feature"], tree["threshold"]
    active = active[left[node] >= 0]
    while len(active):
        here = node[active]
        goes_left = matrix[active, feature[here]] <= threshold[here]
        below = np.where(goes_left, left[here], right[here])
        node[active] = below
        active = active[left[below] >= 0]
    return tree["value"][node]
