from __future__ import annotations

import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor

from raytabdl.classic import NearestNeighbours, neighbours
from raytabdl.inputs import Inputs, Target, TaskType
from raytabdl.persistence import read_arrays

BINARY, REGRESSION = Target(TaskType.BINARY, 2), Target(TaskType.REGRESSION, 0)
HORIZON = NearestNeighbours.horizon


def rows(n=150, seed=0):
    rng = np.random.default_rng(seed)
    numeric = rng.normal(size=(n, 3)).astype(np.float32)
    numeric[rng.random((n, 3)) < 0.1] = np.nan
    return Inputs(numeric, rng.integers(0, 4, size=(n, 2)).astype(np.int32), (4, 4))


def trained(target, X, y, n_iterations=HORIZON, **config):
    model = NearestNeighbours(target, seed=0, n_threads=1, **config)
    model.advance(X, y, n_iterations)
    return model


def columns(model, X):
    """Columns whose squared Euclidean distance is that of the model: unlike levels are 2 apart in one-hot codes."""
    one_hot = (X.categorical[:, :, None] == np.arange(4)).reshape(len(X), -1)
    return np.concatenate([model.design_.numbers(X), one_hot * np.sqrt(model.category_weight / 2)], axis=1)


@pytest.mark.parametrize("weights", ["uniform", "distance"])
def test_a_regression_is_scikit_learns_whatever_was_searched_before(weights):
    X, X_new = rows(), rows(seed=1)
    y = np.nan_to_num(X.numeric).sum(axis=1).astype(np.float64)
    model = trained(REGRESSION, X, y, k=7, weights=weights, category_weight=3.0)
    for n_iterations in (5, 13, HORIZON):  # each search goes on where the last one ended
        predictions = model.predict(X_new, n_iterations)
    oracle = KNeighborsRegressor(7, weights=weights, algorithm="brute").fit(columns(model, X), y)
    np.testing.assert_allclose(predictions, oracle.predict(columns(model, X_new)), rtol=1e-5, atol=1e-6)


def test_class_frequencies_count_as_one_more_neighbour():
    X, X_new = rows(), rows(seed=1)
    y = (np.nan_to_num(X.numeric[:, 0]) > 0.8).astype(np.int64)
    model = trained(BINARY, X, y, k=9, weights="uniform")
    oracle = KNeighborsClassifier(9, algorithm="brute").fit(columns(model, X), y)
    expected = (9 * oracle.predict_proba(columns(model, X_new)) + [1 - y.mean(), y.mean()]) / 10
    np.testing.assert_allclose(model.predict(X_new, HORIZON), expected, atol=1e-9)


def test_equal_distances_do_not_depend_on_how_many_rows_are_predicted_at_once(monkeypatch):
    X = rows(n=12).take(np.arange(120) % 12)  # ten copies of each row
    y = np.random.default_rng(0).normal(size=120)
    model = trained(REGRESSION, X, y, k=4)
    expected = model.predict(X, HORIZON)
    monkeypatch.setattr(neighbours, "_BLOCK_DISTANCES", 1)
    np.testing.assert_array_equal(trained(REGRESSION, X, y, k=4).predict(X, HORIZON), expected)


def test_the_budget_is_the_share_of_the_rows_that_are_kept(tmp_path, monkeypatch):
    X = rows(n=200)
    model = trained(REGRESSION, X, np.arange(200.0), n_iterations=9, k=1)
    assert len(np.unique(model.predict(X, 9))) == 67  # a third of them
    assert len(np.unique(model.predict(X, 1))) == 8
    model.save(tmp_path)
    assert len(read_arrays(tmp_path / "neighbours.safetensors")["y"]) == 67
    monkeypatch.setattr(neighbours, "_MAX_ROWS", 54)
    bounded = trained(REGRESSION, X, np.arange(200.0), k=1)
    assert len(np.unique(bounded.predict(X, HORIZON))) == 54
    monkeypatch.setattr(neighbours, "_MAX_VALUES", 100)
    assert len(np.unique(trained(REGRESSION, X, np.arange(200.0), k=1).predict(X, HORIZON))) == 20
