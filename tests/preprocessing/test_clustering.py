from __future__ import annotations

import numpy as np
import pytest
from sklearn.cluster import FeatureAgglomeration as Oracle

from raytabdl.inputs import Inputs, Target, TaskType
from raytabdl.preprocessing import FeatureAgglomeration


def fitted(X, **arguments):
    table = Inputs(np.asarray(X, np.float32), np.empty((len(X), 0), np.int32), ())
    target = Target(TaskType.REGRESSION, 0)
    step = FeatureAgglomeration(**arguments).fit(table, np.zeros(len(X)), target, np.random.default_rng(0))
    return step.transform(table).numeric


@pytest.mark.parametrize(("linkage", "metric"), [("ward", "euclidean"), ("average", "manhattan")])
@pytest.mark.parametrize("pooling", ["mean", "median", "max"])
def test_pooled_clusters_are_those_of_scikit_learn(linkage, metric, pooling):
    X = np.random.default_rng(0).normal(size=(50, 12)).astype(np.float32)
    oracle = Oracle(6, linkage=linkage, metric=metric, pooling_func=getattr(np, pooling))
    expected = oracle.fit_transform(X.astype(np.float64))
    outcome = fitted(X, share=0.5, linkage=linkage, metric=metric, pooling=pooling)
    np.testing.assert_allclose(outcome, expected, rtol=1e-4, atol=1e-6)


def test_columns_that_are_alike_become_one():
    X = np.random.default_rng(0).normal(size=(50, 3))
    noisy = np.repeat(X, 2, axis=1) + np.tile([-0.01, 0.01], 3)
    outcome = fitted(noisy, share=0.5)
    assert sorted(outcome[0]) == pytest.approx(sorted(X[0]), abs=1e-6)
