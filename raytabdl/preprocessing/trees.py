"""Rows as the leaves of random trees that they fall into."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from raytabdl.component import Integer, Space
from raytabdl.inputs import Array, Inputs, Target
from raytabdl.preprocessing.step import MAX_COLUMNS, Step, sample, with_numbers

_N_ROWS = 20_000
_CHUNK_ROWS = 8_192


class RandomTreesEmbedding(Step):
    """A 0/1 column for each leaf of trees that are split at random (Geurts et al., 2006, "totally randomised").

    The trees have ``MAX_COLUMNS`` leaves in all at most.
    """

    name: ClassVar[str] = "trees_embedding"
    space: ClassVar[Space] = {
        "n_estimators": Integer(10, 100, default=30),
        "max_depth": Integer(2, 10, default=5),
        "min_samples_leaf": Integer(1, 20, default=1),
    }

    def __init__(self, *, n_estimators: int = 30, max_depth: int = 5, min_samples_leaf: int = 1) -> None:
        self.n_estimators = n_estimators
        self.max_depth = max_depth
        self.min_samples_leaf = min_samples_leaf
        # Nodes of all trees, one after the other; a leaf is its own child.
        self.features_: NDArray[np.int32] = np.empty(0, np.int32)
        self.thresholds_: NDArray[np.float64] = np.empty(0, np.float64)
        self.children_: NDArray[np.int32] = np.empty((0, 2), np.int32)
        self.roots_: NDArray[np.int32] = np.empty(0, np.int32)
        self.columns_: NDArray[np.int32] = np.empty(0, np.int32)  # of each node, -1 where it is no leaf

    def fit(self, X: Inputs, y: Array, target: Target, rng: np.random.Generator) -> RandomTreesEmbedding:
        from sklearn.ensemble import RandomTreesEmbedding as Transformer

        few, _ = sample(X, y, _N_ROWS, rng)
        if few.numeric.shape[1] == 0 or len(few) < 2:
            return self
        forest = Transformer(
            self.n_estimators,
            max_depth=self.max_depth,
            min_samples_leaf=self.min_samples_leaf,
            max_leaf_nodes=max(2, MAX_COLUMNS // self.n_estimators),
            random_state=int(rng.integers(2**31)),
        ).fit(few.numeric)
        trees = [tree.tree_ for tree in forest.estimators_]
        begins = np.cumsum([0, *(tree.node_count for tree in trees)])
        self.roots_ = begins[:-1].astype(np.int32)
        self.children_ = np.concatenate([_children(tree) + begin for tree, begin in zip(trees, begins, strict=False)])
        self.features_ = np.concatenate([np.maximum(tree.feature, 0) for tree in trees]).astype(np.int32)
        self.thresholds_ = np.concatenate([tree.threshold for tree in trees])
        is_leaf = np.concatenate([tree.children_left < 0 for tree in trees])
        self.columns_ = np.where(is_leaf, np.cumsum(is_leaf) - 1, -1).astype(np.int32)
        return self

    def transform(self, X: Inputs) -> Inputs:
        if len(self.roots_) == 0:
            return X
        indicators = np.zeros((len(X), int(self.columns_.max()) + 1), np.float32)
        for begin in range(0, len(X), _CHUNK_ROWS):
            rows = slice(begin, begin + _CHUNK_ROWS)
            np.put_along_axis(indicators[rows], self._leaves(X.numeric[rows]), np.float32(1), axis=1)
        return with_numbers(X, indicators)

    def _leaves(self, numbers: NDArray[np.float32]) -> NDArray[np.int64]:
        """The columns of the leaves of each row, (n, n_estimators): it walks down all trees together."""
        nodes = np.tile(self.roots_, (len(numbers), 1))
        for _ in range(self.max_depth):
            values = np.take_along_axis(numbers, self.features_[nodes], axis=1)
            goes_right = (values > self.thresholds_[nodes]).astype(np.int64)
            nodes = self.children_[nodes, goes_right]
        return self.columns_[nodes].astype(np.int64)


def _children(tree: Any) -> NDArray[np.int32]:
    """(nodes, 2): left and right, the node itself for a leaf."""
    itself = np.arange(tree.node_count)
    both = np.stack([tree.children_left, tree.children_right], axis=1)
    return np.where(both < 0, itself[:, None], both).astype(np.int32)
