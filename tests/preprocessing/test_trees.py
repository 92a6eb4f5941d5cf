from __future__ import annotations

import numpy as np
import pytest
from sklearn.ensemble import RandomTreesEmbedding as Oracle

from raytabdl.inputs import Inputs, Target, TaskType
from raytabdl.preprocessing import RandomTreesEmbedding
from raytabdl.preprocessing.step import MAX_COLUMNS


def table(X):
    return Inputs(np.asarray(X, np.float32), np.empty((len(X), 0), np.int32), ())


def fitted(X, **arguments):
    target = Target(TaskType.REGRESSION, 0)
    return RandomTreesEmbedding(**arguments).fit(table(X), np.zeros(len(X)), target, np.random.default_rng(0))


@pytest.mark.parametrize(("n_estimators", "max_depth"), [(10, 3), (20, 10), (100, 5)])
def test_leaves_are_those_of_scikit_learn(n_estimators, max_depth):
    rng = np.random.default_rng(0)
    X, new = rng.normal(size=(200, 4)).astype(np.float32), rng.normal(size=(100, 4)).astype(np.float32)
    oracle = Oracle(
        n_estimators,
        max_depth=max_depth,
        max_leaf_nodes=MAX_COLUMNS // n_estimators,
        random_state=int(np.random.default_rng(0).integers(2**31)),
        sparse_output=False,
    )
    embedding = fitted(X, n_estimators=n_estimators, max_depth=max_depth)
    expected = oracle.fit(X).transform(new)
    np.testing.assert_array_equal(embedding.transform(table(new)).numeric, expected)
    assert expected.shape[1] <= MAX_COLUMNS


def test_a_row_falls_into_one_leaf_of_each_tree():
    X = np.random.default_rng(0).normal(size=(200, 4))
    leaves = fitted(X, n_estimators=15).transform(table(100 * X)).numeric
    assert set(np.unique(leaves)) == {0, 1}
    assert (leaves.sum(axis=1) == 15).all()
