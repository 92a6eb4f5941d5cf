from __future__ import annotations

import numpy as np
import pytest
from sklearn.preprocessing import OneHotEncoder, TargetEncoder

from raytabdl.inputs import Inputs, Target, TaskType
from raytabdl.preprocessing import OneHot, Ordinal, TargetEncoding
from raytabdl.preprocessing.step import MAX_COLUMNS

BINARY, FOUR = Target(TaskType.BINARY, 2), Target(TaskType.MULTICLASS, 4)
VALUE = Target(TaskType.REGRESSION, 0)


def rng(seed=0):
    return np.random.default_rng(seed)


def table(codes, *cardinalities):
    codes = np.asarray(codes, np.int32).reshape(-1, len(cardinalities))
    return Inputs(np.arange(len(codes), dtype=np.float32)[:, None], codes, cardinalities)


def drawn(n=300, seed=0):
    return table(rng(seed).integers(1, [4, 9], (n, 2)), 4, 9)


def test_one_hot_is_that_of_scikit_learn_behind_the_numbers():
    X = drawn()
    encoded = OneHot().fit(X, np.zeros(300), VALUE, rng()).transform(X)
    expected = OneHotEncoder(sparse_output=False).fit_transform(X.categorical)
    np.testing.assert_array_equal(encoded.numeric, np.concatenate([X.numeric, expected], axis=1))
    assert encoded.categorical.shape == (300, 0) and encoded.cardinalities == ()


def test_a_level_that_the_training_part_lacks_is_zero_in_all_one_hot_columns():
    one_hot = OneHot().fit(table([1, 2, 2], 4), np.zeros(3), VALUE, rng())
    assert one_hot.transform(table([0, 1, 2, 3], 4)).numeric[:, 1:].tolist() == [[0, 0], [1, 0], [0, 1], [0, 0]]


def test_columns_of_more_levels_than_one_hot_takes_stay_codes():
    X = drawn()
    encoded = OneHot(max_levels=3).fit(X, np.zeros(300), VALUE, rng()).transform(X)
    assert encoded.numeric.shape == (300, 1 + 3) and encoded.cardinalities == (9,)
    np.testing.assert_array_equal(encoded.categorical, X.categorical[:, 1:])


def test_the_columns_with_the_fewest_levels_are_one_hot_where_there_are_too_many():
    n = MAX_COLUMNS + 1
    codes = np.column_stack([np.arange(n) % 300 + 1, np.arange(n) % 299 + 1, np.arange(n) % 2 + 1])
    encoded = OneHot().fit(table(codes, 301, 300, 3), np.zeros(n), VALUE, rng()).transform(table(codes, 301, 300, 3))
    assert encoded.cardinalities == (301,) and encoded.numeric.shape[1] == 1 + 299 + 2


def test_ordinal_codes_are_numbers():
    X = table([[1, 0], [3, 2]], 4, 3)
    encoded = Ordinal().fit(X, np.zeros(2), VALUE, rng()).transform(X)
    assert encoded.numeric.tolist() == [[0, 1, 0], [1, 3, 2]] and encoded.cardinalities == ()


@pytest.mark.parametrize(("target", "kind"), [(BINARY, "binary"), (FOUR, "multiclass"), (VALUE, "continuous")])
def test_new_rows_have_the_means_that_scikit_learn_gives_them(target, kind):
    X, k = drawn(), max(1, target.n_classes)
    y = rng(1).integers(k, size=300) if target.n_classes else rng(1).normal(5, 3, 300)
    truth = y if target.n_classes else (y - y.mean()) / y.std()
    expected = TargetEncoder(target_type=kind, smooth=20.0).fit(X.categorical, truth).transform(X.categorical)
    encoder = TargetEncoding(smoothing=20.0).fit(X, y, target, rng())
    np.testing.assert_allclose(encoder.transform(X).numeric[:, 1:], expected, atol=1e-6)
    unseen = encoder.transform(table([0, 0], 4, 9)).numeric[0, 1:]
    prior = np.bincount(y)[-k if k > 2 else 1 :] / 300 if target.n_classes else [0.0]
    np.testing.assert_allclose(unseen, np.tile(prior, 2), atol=1e-6)


def test_a_training_row_is_encoded_from_the_rows_of_other_folds():
    """The target of a row has no part in its own code, and those of most others have."""
    X, y = drawn(), rng(1).normal(size=300)
    before = TargetEncoding().fit_transform(X, y, VALUE, rng()).numeric[:, 1:]
    order = np.argsort(y)
    changed = y.copy()
    changed[order[150]] += 1e-9  # keeps the order, and so the folds
    assert np.allclose(before, TargetEncoding().fit_transform(X, changed, VALUE, rng()).numeric[:, 1:])
    levels = X.categorical[:, 1]
    y[levels == 3] += 10.0 * (np.arange(300)[levels == 3] == np.flatnonzero(levels == 3)[0])
    row = np.flatnonzero(levels == 3)[0]
    codes = TargetEncoding(smoothing=1.0).fit_transform(X, y, VALUE, rng()).numeric[:, 2]
    others = [i for i in np.flatnonzero(levels == 3) if i != row]
    assert codes[row] < np.mean(codes[others]) - 0.1  # the outlier raises the codes of others, not its own


@pytest.mark.parametrize("n_levels", [30, 1000])
def test_a_random_category_says_nothing_of_the_training_targets(n_levels):
    n = 2000
    X, y = table(rng().integers(1, n_levels + 1, n), n_levels + 1), rng(1).integers(2, size=n)
    encoder = TargetEncoding(smoothing=1.0)
    out_of_fold = encoder.fit_transform(X, y, BINARY, rng()).numeric[:, 1]
    in_sample = encoder.transform(X).numeric[:, 1]
    assert abs(np.corrcoef(out_of_fold, y)[0, 1]) < 3.5 / np.sqrt(n)
    assert np.corrcoef(in_sample, y)[0, 1] > (0.1 if n_levels == 30 else 0.5)  # what a fit on all rows would leak


def test_a_category_that_decides_the_target_says_so_out_of_fold():
    codes = rng().integers(1, 9, 500)
    out_of_fold = TargetEncoding().fit_transform(table(codes, 9), codes % 2, BINARY, rng()).numeric[:, 1]
    assert np.corrcoef(out_of_fold, codes % 2)[0, 1] > 0.99


def test_of_many_classes_the_most_frequent_have_a_column():
    y = np.repeat(np.arange(30), np.arange(1, 31))
    X = table(rng().integers(1, 4, len(y)), 4)
    encoded = TargetEncoding().fit(X, y, Target(TaskType.MULTICLASS, 30), rng()).transform(X).numeric[:, 1:]
    assert encoded.shape[1] == 10
    np.testing.assert_allclose(encoded.mean(axis=0), np.arange(21, 31) / len(y), atol=0.01)


def test_a_target_of_large_values_is_encoded_as_well_as_one_around_zero():
    X, y = drawn(), rng(1).normal(size=300)
    near = TargetEncoding().fit_transform(X, y, VALUE, rng()).numeric
    np.testing.assert_allclose(TargetEncoding().fit_transform(X, 1e9 + y, VALUE, rng()).numeric, near, atol=1e-4)
