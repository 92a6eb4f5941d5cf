from __future__ import annotations

import numpy as np

from raytabdl.preprocessing import MissingIndicator

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
