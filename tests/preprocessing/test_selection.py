from __future__ import annotations

import numpy as np
import pytest
from sklearn import feature_selection
from sklearn.linear_model import Lasso
from sklearn.svm import LinearSVC

from raytabdl.inputs import Inputs, Target, TaskType
from raytabdl.preprocessing import (
    SelectByLinearModel,
    SelectByTrees,
    SelectPercentile,
    SelectRates,
    VarianceThreshold,
)

BINARY, VALUE = Target(TaskType.BINARY, 2), Target(TaskType.REGRESSION, 0)
BY_TARGET = [SelectByTrees, SelectByLinearModel, SelectPercentile, SelectRates]


def table(X):
    return Inputs(np.asarray(X, np.float32), np.empty((len(X), 0), np.int32), ())


def drawn(n=400, d=10, seed=0):
    """Columns 2 and 5 decide the target."""
    X = np.random.default_rng(seed).normal(size=(n, d)).astype(np.float32)
    signal = X[:, 2] - X[:, 5]
    return X, signal, (signal > 0).astype(np.int64)


def selected(step, X, y, target):
    return step.fit(table(X), y, target, np.random.default_rng(0)).columns_.tolist()


@pytest.mark.parametrize("cls", BY_TARGET)
@pytest.mark.parametrize("target", [BINARY, VALUE])
def test_the_columns_that_decide_the_target_are_among_the_selected(cls, target):
    X, signal, labels = drawn()
    y = labels if target is BINARY else signal
    columns = selected(cls(), X, y, target)
    assert {2, 5} <= set(columns) and len(columns) < 10


@pytest.mark.parametrize("percentile", [1, 30, 99])
@pytest.mark.parametrize("target", [BINARY, VALUE])
def test_a_percentile_is_that_of_scikit_learn(percentile, target):
    X, signal, labels = drawn(d=100)
    y, score = (labels, feature_selection.f_classif) if target is BINARY else (signal, feature_selection.f_regression)
    expected = feature_selection.SelectPercentile(score, percentile=percentile).fit(X.astype(np.float64), y)
    assert selected(SelectPercentile(percentile=percentile), X, y, target) == expected.get_support(True).tolist()


@pytest.mark.parametrize("alpha", [0.01, 0.3])
@pytest.mark.parametrize("mode", ["fpr", "fdr", "fwe"])
def test_rates_are_those_of_scikit_learn(mode, alpha):
    X, _, y = drawn(d=100)
    expected = feature_selection.GenericUnivariateSelect(mode=mode, param=alpha).fit(X.astype(np.float64), y)
    assert selected(SelectRates(mode=mode, alpha=alpha), X, y, BINARY) == expected.get_support(True).tolist()


def test_linear_models_are_those_of_scikit_learn():
    X, signal, labels = drawn(d=30)
    scaled = (X - X.mean(axis=0)) / X.std(axis=0)
    svc = LinearSVC(penalty="l1", dual=False, C=0.05).fit(scaled, labels).coef_[0]
    assert selected(SelectByLinearModel(C=0.05), X, labels, BINARY) == np.flatnonzero(np.abs(svc) > 1e-5).tolist()
    noisy = signal + np.random.default_rng(1).normal(size=400)
    lasso = Lasso(alpha=1 / (0.05 * 400)).fit(scaled, (noisy - noisy.mean()) / noisy.std()).coef_
    assert selected(SelectByLinearModel(C=0.05), X, noisy, VALUE) == np.flatnonzero(lasso).tolist()


def test_fewer_columns_are_selected_where_errors_weigh_less():
    X, _, y = drawn(d=30)
    counts = [len(selected(SelectByLinearModel(C=C), X, y, BINARY)) for C in (0.01, 0.1, 10.0)]
    assert counts == sorted(set(counts))


@pytest.mark.parametrize("cls", [*BY_TARGET, VarianceThreshold])
def test_constant_columns_are_left_out(cls):
    X, _, y = drawn()
    X[:, 3] = 5
    assert 3 not in selected(cls(), X, y, BINARY)


def test_columns_that_vary_in_a_single_row_are_kept_by_the_variance_threshold():
    X = np.zeros((10_000, 2))
    X[77, 1] = 1e-3
    assert selected(VarianceThreshold(), X, np.zeros(10_000), VALUE) == [1]


@pytest.mark.parametrize(
    "step", [SelectRates(mode="fwe", alpha=0.01), SelectByLinearModel(C=0.01), SelectPercentile(percentile=1)]
)
def test_the_best_column_is_kept_where_none_is_good_enough(step):
    X = np.random.default_rng(0).normal(size=(40, 6))
    assert len(selected(step, X, np.random.default_rng(1).integers(2, size=40), BINARY)) == 1
    assert selected(VarianceThreshold(), np.ones((5, 3)), np.zeros(5), VALUE) == [0]


@pytest.mark.parametrize("cls", BY_TARGET)
def test_a_target_that_is_constant_selects_nothing(cls):
    X, _, _ = drawn()
    assert selected(cls(), X, np.ones(400), VALUE) == list(range(10))


def test_an_unknown_rate_is_refused():
    with pytest.raises(ValueError, match="fpr, fdr, fwe, got mode='fnr'"):
        SelectRates(mode="fnr")
