from __future__ import annotations

import numpy as np
import pytest
from sklearn.impute import SimpleImputer

from raytabdl.inputs import Inputs, Target, TaskType
from raytabdl.preprocessing import (
    ConstantImputer,
    MeanImputer,
    MedianImputer,
    MissingIndicator,
    MostFrequentImputer,
    ZeroImputer,
)

NAN = np.nan
X = np.array([[1, NAN, 3], [4, 5, 6], [NAN, NAN, 9]], np.float32)


def test_missing_numbers_are_zero_and_marked_in_columns_of_their_own():
    filled = MissingIndicator().fit(X).transform(X)
    assert filled.tolist() == [[1, 0, 3, 0, 1], [4, 5, 6, 0, 0], [0, 0, 9, 1, 1]]


def test_a_column_that_was_complete_in_training_is_filled_and_not_marked():
    indicator = MissingIndicator().fit(X[1:2])
    assert indicator.transform(X).tolist() == [[1, 0, 3], [4, 5, 6], [0, 0, 9]]


def test_the_table_is_not_changed():
    before = X.copy()
    MissingIndicator().fit(X).transform(X)
    np.testing.assert_array_equal(X, before)


def test_the_state_is_all_that_an_indicator_is():
    other = MissingIndicator()
    other.restore(MissingIndicator().fit(X).state())
    assert other.transform(X).shape == (3, 5)


VALUE = Target(TaskType.REGRESSION, 0)
STRATEGIES = {
    MeanImputer: {"strategy": "mean"},
    MedianImputer: {"strategy": "median"},
    MostFrequentImputer: {"strategy": "most_frequent"},
    ConstantImputer: {"strategy": "constant", "fill_value": 2.5},
}


def table(X):
    return Inputs(np.asarray(X, np.float32), np.empty((len(X), 0), np.int32), ())


def drawn(seed=0):
    rng = np.random.default_rng(seed)
    X = rng.integers(-2, 6, (40, 3)).astype(np.float32)
    X[rng.random(X.shape) < 0.2] = NAN
    X[:, 2] = rng.integers(3, size=40)  # complete
    return X


@pytest.mark.parametrize("indicator", [True, False])
@pytest.mark.parametrize("cls", STRATEGIES)
def test_imputed_values_and_indicators_are_those_of_scikit_learn(cls, indicator):
    arguments = {"value": 2.5} if cls is ConstantImputer else {}
    imputer = cls(indicator=indicator, **arguments).fit(table(drawn()), np.zeros(40), VALUE, np.random.default_rng(0))
    expected = SimpleImputer(add_indicator=indicator, **STRATEGIES[cls]).fit(drawn())
    new = drawn(seed=1)
    np.testing.assert_allclose(imputer.transform(table(new)).numeric, expected.transform(new), rtol=1e-6)


def test_the_default_fills_with_zero_and_marks_what_was_missing():
    imputer = ZeroImputer().fit(table(X), np.zeros(3), VALUE, np.random.default_rng(0))
    assert imputer.transform(table(X)).numeric.tolist() == [[1, 0, 3, 0, 1], [4, 5, 6, 0, 0], [0, 0, 9, 1, 1]]


@pytest.mark.parametrize("cls", [MeanImputer, MedianImputer, MostFrequentImputer])
def test_a_column_without_a_value_is_zero(cls):
    empty = table(np.full((3, 1), NAN))
    imputer = cls(indicator=False).fit(empty, np.zeros(3), VALUE, np.random.default_rng(0))
    assert imputer.transform(empty).numeric.tolist() == [[0], [0], [0]]
