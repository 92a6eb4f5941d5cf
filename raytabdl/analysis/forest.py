"""A random forest over a configuration space, and the parts of the space that the leaves of its trees are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from ConfigSpace import UniformIntegerHyperparameter
from ConfigSpace.hyperparameters import Hyperparameter
from numpy.typing import NDArray

from raytabdl.analysis.study import Study
from raytabdl.exceptions import DataError
from raytabdl.search.vectors import Vectors, n_levels

Floats = NDArray[np.float64]

N_TREES = 64


@dataclass(frozen=True)
class Axis:
    """A hyperparameter as features of a forest: one in [0, 1] for a number, one per level for a choice.

    ``index`` is its place in ConfigSpace's vectors, ``n_levels`` is 0 for a number. A feature of a number is
    ``offset + slope * value`` of the vector's value.
    """

    name: str
    index: int
    n_levels: int
    features: slice
    offset: float
    slope: float


@dataclass(frozen=True)
class Leaves:
    """The leaves of one tree: the mean loss in each, and its bounds by feature, shape (leaves, features)."""

    losses: Floats
    lower: Floats
    upper: Floats


class Forest:
    """Regression trees on complete configurations.

    An inactive hyperparameter takes a random value, as the loss is the same whatever it is: so the trees learn a
    function on the whole product of the ranges. (Hutter et al., 2014, take the default. Then all that are inactive
    stand at one point of the range, which trees cut out instead of asking for the condition.)

    Hyperparameters that have one value in all configurations, so that nothing can be said of them, are left out. Raises
    DataError where none is left.
    """

    def __init__(self, study: Study, seed: int) -> None:
        from sklearn.ensemble import RandomForestRegressor

        self._defaults = np.array([h.to_vector(h.default_value) for h in study.space.values()], dtype=np.float64)
        self.axes = tuple(_axes(study))
        if not self.axes:
            raise DataError(f"configurations must differ, but all {len(study.vectors)} are the same; evaluate others")
        self._forest = RandomForestRegressor(N_TREES, n_jobs=1, random_state=seed)
        self._forest.fit(self._features(self._imputed(study.vectors, np.random.default_rng(seed))), study.losses)

    def predict(self, vectors: Vectors) -> Floats:
        """The mean of the trees' losses, with the default of what is inactive."""
        complete = np.where(np.isnan(vectors), self._defaults, vectors)
        predictions: Floats = self._forest.predict(self._features(complete))
        return predictions

    def leaves(self) -> Iterator[Leaves]:
        """Those of each tree."""
        return (_leaves(estimator.tree_) for estimator in self._forest.estimators_)

    def _imputed(self, vectors: Vectors, rng: np.random.Generator) -> Vectors:
        """The vectors with draws in the place of what is inactive."""
        complete = vectors.copy()
        for axis in self.axes:
            inactive = np.isnan(vectors[:, axis.index])
            n = int(inactive.sum())
            drawn = rng.integers(axis.n_levels, size=n) if axis.n_levels else (rng.random(n) - axis.offset) / axis.slope
            complete[inactive, axis.index] = drawn
        return complete

    def _features(self, complete: Vectors) -> Floats:
        columns = []
        for axis in self.axes:
            values = complete[:, axis.index, None]
            is_choice = axis.n_levels > 0
            columns.append(values == np.arange(axis.n_levels) if is_choice else axis.offset + axis.slope * values)
        return np.concatenate(columns, axis=1).astype(np.float64)


def _axes(study: Study) -> Iterator[Axis]:
    start = 0
    for index, name in enumerate(study.space.at):
        column = study.vectors[:, index]
        active = column[~np.isnan(column)]
        if len(active) and np.ptp(active) > 0:
            levels = n_levels(study.space[name])
            stop = start + max(levels, 1)
            yield Axis(name, index, levels, slice(start, stop), *_scale(study.space[name]))
            start = stop


def _scale(hyperparameter: Hyperparameter[Any, Any]) -> tuple[float, float]:
    """The offset and slope of features in which each integer k has the room of [k - 1/2, k + 1/2].

    ConfigSpace puts the least integer at 0 and the largest at 1, which would leave each of them half of its room.
    """
    if not isinstance(hyperparameter, UniformIntegerHyperparameter):
        return 0.0, 1.0
    low, high = hyperparameter.lower, hyperparameter.upper
    ends = np.array([low - 0.5, low, high, high + 0.5])
    start, first, last, end = np.log(ends) if hyperparameter.log else ends
    return float((first - start) / (end - start)), float((last - first) / (end - start))


def _leaves(tree: Any) -> Leaves:
    """The bounds of the leaves, all nodes of a depth at once."""
    lower, upper = np.zeros((tree.node_count, tree.n_features)), np.ones((tree.node_count, tree.n_features))
    nodes = np.array([0])
    while len(nodes):
        nodes = nodes[tree.children_left[nodes] >= 0]
        left, right, feature = tree.children_left[nodes], tree.children_right[nodes], tree.feature[nodes]
        for children in (left, right):
            lower[children], upper[children] = lower[nodes], upper[nodes]
        upper[left, feature] = lower[right, feature] = tree.threshold[nodes]
        nodes = np.concatenate([left, right])
    is_leaf = tree.children_left < 0
    return Leaves(tree.value[is_leaf, 0, 0], lower[is_leaf], upper[is_leaf])
