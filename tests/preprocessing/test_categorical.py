from __future__ import annotations

import numpy as np
import pytest

from raytabdl.inputs import Inputs, Target, TaskType
from raytabdl.preprocessing import CategoryPairs, MergeRare

BINARY, VALUE = Target(TaskType.BINARY, 2), Target(TaskType.REGRESSION, 0)


def rng(seed=0):
    return np.random.default_rng(seed)


def table(codes, *cardinalities):
    codes = np.asarray(codes, np.int32).reshape(-1, len(cardinalities))
    return Inputs(np.zeros((len(codes), 0), np.float32), codes, cardinalities)


def merged(codes, new, cardinality, min_frac):
    merger = MergeRare(min_frac=min_frac).fit(table(codes, cardinality), np.zeros(len(codes)), VALUE, rng())
    X = merger.transform(table(new, cardinality))
    return X.categorical[:, 0].tolist(), X.cardinalities


def test_levels_that_few_rows_have_become_one():
    codes = [1] * 50 + [2] * 46 + [3] * 2 + [4] * 2
    assert merged(codes, [1, 2, 3, 4], 6, 0.03) == ([1, 2, 3, 3], (4,))


def test_a_level_is_kept_from_the_share_on():
    codes = [1] * 90 + [2] * 10
    assert merged(codes, [1, 2], 3, 0.1)[0] == [1, 2]
    assert merged(codes, [1, 2], 3, 0.11)[0] == [1, 2]  # alone among the rare ones it is still a level
    assert merged(codes, [1, 2], 4, 0.11)[1] == (3,)


def test_levels_that_the_training_part_lacks_are_rare_and_unseen_where_none_is():
    assert merged([1] * 9 + [2], [0, 3], 4, 0.2)[0] == [2, 2]
    assert merged([1] * 5 + [2] * 5, [0, 3], 4, 0.2) == ([0, 0], (3,))


def test_the_unseen_level_stays_what_it_is_where_many_training_rows_have_it():
    assert merged([0] * 5 + [1] * 4 + [2], [0, 1, 2, 3], 4, 0.2) == ([0, 1, 2, 2], (3,))


def test_columns_are_merged_one_by_one():
    codes = np.column_stack([[1] * 9 + [2], [3] * 5 + [1] * 5])
    X = MergeRare(min_frac=0.2).fit(table(codes, 3, 4), np.zeros(10), VALUE, rng()).transform(table(codes, 3, 4))
    assert X.cardinalities == (3, 3)
    np.testing.assert_array_equal(X.categorical, np.column_stack([[1] * 9 + [2], [2] * 5 + [1] * 5]))


def exclusive_or(n=1000):
    codes = rng().integers(1, 3, (n, 4))
    return table(codes, 3, 3, 3, 3), (codes[:, 1] != codes[:, 3]).astype(np.int64)


def test_the_pair_that_decides_the_target_together_is_found():
    X, y = exclusive_or()
    pairs = CategoryPairs(n_pairs=1)
    encoded = pairs.fit_transform(X, y, BINARY, rng())
    assert pairs.pairs_.tolist() == [[1, 3]]
    assert abs(np.corrcoef(encoded.numeric[:, 0], y)[0, 1]) > 0.99
    np.testing.assert_array_equal(encoded.categorical, X.categorical)
    later = pairs.transform(table([[1, 1, 1, 1], [1, 1, 1, 2], [2, 2, 2, 2], [1, 0, 1, 2]], 3, 3, 3, 3)).numeric[:, 0]
    assert later[1] > 0.9 > -0.9 > later[0] and later[2] == pytest.approx(later[0], abs=0.1)
    assert later[3] == pytest.approx(0, abs=0.1)  # a pair that was not seen has the mean of all


def test_pairs_say_nothing_of_the_training_targets_where_there_is_nothing():
    class Always(CategoryPairs):
        def _best_pairs(self, X, y, target, rng):
            return np.array([[0, 1]])

    n = 2000
    X, y = table(rng().integers(1, 31, (n, 2)), 31, 31), rng(1).integers(2, size=n)
    pairs = Always()
    encoded = pairs.fit_transform(X, y, BINARY, rng()).numeric[:, 0]
    assert abs(np.corrcoef(encoded, y)[0, 1]) < 3.5 / np.sqrt(n)
    assert np.corrcoef(pairs.transform(X).numeric[:, 0], y)[0, 1] > 0.3
