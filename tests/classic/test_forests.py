from __future__ import annotations

import numpy as np
from sklearn.tree import ExtraTreeRegressor

from raytabdl.classic import ExtraTrees, RandomForest
from raytabdl.inputs import Inputs, Target, TaskType

REGRESSION = Target(TaskType.REGRESSION, 0)
X = Inputs(np.random.default_rng(0).normal(size=(80, 3)).astype(np.float32), np.empty((80, 0), np.int32), ())
Y = X.numeric.sum(axis=1).astype(np.float64)


def trained(cls, n_trees):
    model = cls(REGRESSION, seed=5, n_threads=1, bootstrap=False, min_samples_leaf=1, max_features=1.0)
    model.advance(X, Y, n_trees)
    return model


def thresholds_of(forest):
    """Those of each tree."""
    return np.split(forest.trees_.threshold, forest.trees_.roots[1:-1])


def test_extra_trees_are_those_of_scikit_learn():
    expected = [
        ExtraTreeRegressor(max_features=1.0, random_state=int(np.random.default_rng([5, i]).integers(2**31)))
        .fit(X.numeric, Y)
        .tree_.threshold
        for i in range(2)
    ]
    for thresholds, theirs in zip(thresholds_of(trained(ExtraTrees, 2)), expected, strict=True):
        np.testing.assert_allclose(thresholds, theirs, rtol=1e-6)


def test_without_sampling_only_extra_trees_differ_from_each_other():
    first, second = thresholds_of(trained(ExtraTrees, 2))
    assert first[0] != second[0]
    first, second = thresholds_of(trained(RandomForest, 2))
    assert first[0] == second[0]
