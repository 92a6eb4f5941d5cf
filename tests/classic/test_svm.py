from __future__ import annotations

import numpy as np
import pytest
from sklearn.svm import SVC, SVR

from raytabdl.classic import SVM, Linear, svm
from raytabdl.inputs import Inputs, Target, TaskType

BINARY, MULTICLASS = Target(TaskType.BINARY, 2), Target(TaskType.MULTICLASS, 30)
REGRESSION = Target(TaskType.REGRESSION, 0)


def rings(n=600, seed=0):
    X = np.random.default_rng(seed).normal(size=(n, 2)).astype(np.float32)
    return Inputs(X, np.empty((n, 0), np.int32), ()), np.square(X).sum(axis=1).astype(np.float64)


def trained(cls, target, X, y, n_iterations=8, **config):
    model = cls(target, seed=0, n_threads=1, **config)
    model.advance(X, y, n_iterations)
    return model


def test_a_ring_is_found_as_by_the_exact_machine_and_not_by_a_linear_one():
    X, radius = rings()
    X_new, new_radius = rings(seed=1)
    y, y_new = (radius > 1.4).astype(np.int64), (new_radius > 1.4).astype(np.int64)
    model = trained(SVM, BINARY, X, y)
    accuracy = (model.predict(X_new, 8).argmax(axis=1) == y_new).mean()
    exact = SVC().fit(model.design_.numbers(X), y).score(model.design_.numbers(X_new), y_new)
    assert accuracy > exact - 0.02 > 0.9
    linear = trained(Linear, BINARY, X, y).predict(X_new, 8)
    assert (linear.argmax(axis=1) == y_new).mean() < 0.7


def test_a_regression_is_as_good_as_the_exact_machine():
    X, y = rings()
    X_new, y_new = rings(seed=1)
    model = trained(SVM, REGRESSION, X, y)
    exact = SVR(epsilon=0.05 * y.std(), C=100).fit(model.design_.numbers(X), y)
    error = np.square(model.predict(X_new, 8) - y_new).mean()
    assert error < 2 * np.square(exact.predict(model.design_.numbers(X_new)) - y_new).mean() < 0.1 * y_new.var()


def test_products_of_features_are_the_gaussian_kernel():
    X, y = rings(n=60)
    model = trained(SVM, REGRESSION, X, y, n_iterations=1, n_features=4096, gamma=0.7)
    matrix = model.design_.matrix(X)
    features = model._features(matrix)[:, :-1]
    squares = np.square(matrix[:, None] - matrix).sum(axis=2)
    np.testing.assert_allclose(features @ features.T, np.exp(-0.7 * squares / matrix.var(axis=0).sum()), atol=0.08)


def test_a_stronger_penalty_makes_smaller_weights():
    X, radius = rings()
    norms = [np.linalg.norm(trained(SVM, BINARY, X, radius > 1.4, l2=l2).path_[-1][:-1]) for l2 in (1e-6, 1e-2, 1.0)]
    assert norms[0] > norms[1] > norms[2]


def test_memory_is_bounded_for_many_levels_and_for_many_classes(monkeypatch):
    X = Inputs(np.empty((90, 0), np.float32), np.arange(90, dtype=np.int32)[:, None] + 1, (1001,))
    monkeypatch.setattr(svm, "_MAX_FREQUENCIES", 100_000)
    model = trained(SVM, MULTICLASS, X, np.arange(90) % 30, n_iterations=2)
    assert model.frequencies_.shape == (1001, 99)
    monkeypatch.setattr(svm, "_MAX_COEFFICIENTS", 600)
    assert trained(SVM, MULTICLASS, X, np.arange(90) % 30, n_iterations=1).frequencies_.shape == (1001, 20)


@pytest.mark.parametrize("n", [90, 30_000])
def test_an_iteration_looks_at_as_many_rows_whatever_the_size_of_the_table(n, monkeypatch):
    seen = []
    X, radius = rings(n=n)
    model = SVM(BINARY, seed=0, n_threads=1)
    slopes = model._slopes
    monkeypatch.setattr(model, "_slopes", lambda outputs, truth: seen.append(len(truth)) or slopes(outputs, truth))
    model.advance(X, radius > 1.4, 2)
    assert sum(seen) == 2 * 10_240


def test_rows_are_predicted_in_blocks_as_in_one_go(monkeypatch):
    X, radius = rings()
    model = trained(SVM, BINARY, X, radius > 1.4, n_iterations=1)
    expected = model.predict(X, 1)
    monkeypatch.setattr(svm, "_BLOCK_ROWS", 7)
    np.testing.assert_allclose(model.predict(X, 1), expected, atol=1e-12)
