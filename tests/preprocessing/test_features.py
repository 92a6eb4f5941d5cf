from __future__ import annotations

import numpy as np
import pytest
from sklearn.preprocessing import PolynomialFeatures as Oracle

from raytabdl.inputs import Inputs, Target, TaskType
from raytabdl.preprocessing import Arithmetic, PolynomialFeatures
from raytabdl.preprocessing.step import MAX_COLUMNS

VALUE = Target(TaskType.REGRESSION, 0)


def table(X):
    return Inputs(np.asarray(X, np.float32), np.empty((len(X), 0), np.int32), ())


def fitted(step, X, y, target=VALUE):
    return step.fit(table(X), y, target, np.random.default_rng(0))


@pytest.mark.parametrize("degree", [2, 3])
@pytest.mark.parametrize("interaction_only", [True, False])
def test_products_are_those_of_scikit_learn(degree, interaction_only):
    X = np.random.default_rng(0).normal(size=(50, 4)).astype(np.float32)
    outcome = fitted(PolynomialFeatures(degree=degree, interaction_only=interaction_only), X, X[:, 0]).transform(
        table(X)
    )
    expected = Oracle(degree, interaction_only=interaction_only, include_bias=False).fit_transform(X)
    np.testing.assert_allclose(outcome.numeric, expected, rtol=1e-5)


def test_products_are_of_the_most_relevant_columns_where_all_are_too_many():
    X = np.random.default_rng(0).normal(size=(500, 60))
    step = fitted(PolynomialFeatures(), X, X[:, 30:].sum(axis=1))
    n = len(np.unique(step.terms_))
    assert n == 31 == (np.arange(100) * np.arange(1, 101) // 2 <= MAX_COLUMNS).sum() - 1
    assert (np.unique(step.terms_) >= 30).sum() >= 28


FORMULAS = {
    "sum": lambda a, b: a + b,
    "difference": lambda a, b: a - b,
    "product": lambda a, b: a * b,
    "quotient": lambda a, b: a / b,
    "quotient the other way": lambda a, b: b / a,
}


@pytest.mark.parametrize("name", FORMULAS)
def test_the_formula_that_makes_the_target_is_found(name):
    X = np.random.default_rng(0).normal(size=(600, 6))
    y = FORMULAS[name](X[:, 1], X[:, 4])
    step = fitted(Arithmetic(n_features=5), X, y)
    best = step.transform(table(X)).numeric[:, 6]
    assert step.pairs_[0].tolist() == [1, 4]
    assert step.operations_[0] == list(FORMULAS).index(name)
    ranks = [np.argsort(np.argsort(values)) for values in (best, y)]
    assert np.corrcoef(*ranks)[0, 1] > 0.99


def test_the_formula_that_decides_a_class_is_found():
    X = np.random.default_rng(0).normal(size=(600, 6))
    y = (X[:, 1] * X[:, 4] > 0).astype(np.int64)
    step = fitted(Arithmetic(n_features=5), X, y, Target(TaskType.BINARY, 2))
    assert step.pairs_[0].tolist() == [1, 4] and step.operations_[0] >= 2


def test_the_columns_stay_in_front_of_what_is_made_of_them():
    X = np.random.default_rng(0).normal(size=(100, 3)).astype(np.float32)
    outcome = fitted(Arithmetic(n_features=5), X, X[:, 0] * X[:, 1]).transform(table(X)).numeric
    np.testing.assert_array_equal(outcome[:, :3], X)
    assert 4 <= outcome.shape[1] <= 8
    assert np.abs(outcome[:, 3:]).max() <= 3


def test_nothing_is_made_where_no_pair_says_more_than_its_columns():
    y = np.random.default_rng(0).normal(size=100)
    X = np.column_stack([y, np.zeros(100)])
    assert fitted(Arithmetic(), X, y).transform(table(X)).numeric.shape[1] == 2
