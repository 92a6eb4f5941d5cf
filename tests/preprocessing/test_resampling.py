from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from raytabdl.inputs import Inputs, Target, TaskType
from raytabdl.preprocessing import (
    RESAMPLERS,
    SMOTE,
    NoResampling,
    OverUnderSampler,
    RandomOverSampler,
    RandomUnderSampler,
)

THREE, VALUE = Target(TaskType.MULTICLASS, 3), Target(TaskType.REGRESSION, 0)
COUNTS = (120, 60, 30)


def rng(seed=0):
    return np.random.default_rng(seed)


def table(counts=COUNTS, d=2):
    y = np.repeat(np.arange(len(counts)), counts)
    X = rng().normal(size=(len(y), d)).astype(np.float32) + 100 * y[:, None]
    return Inputs(X.astype(np.float32), rng(1).integers(1, 4, (len(y), 1)).astype(np.int32), (4,)), y


def resampled(resampler, counts=COUNTS, target=THREE, seed=0):
    X, y = table(counts)
    return X, y, *resampler.resample(X, y, target, rng(seed))


@pytest.mark.parametrize("cls", [RandomOverSampler, SMOTE])
@pytest.mark.parametrize(("size", "expected"), [("up", 120), ("average", 70), ("median", 60)])
def test_over_sampling_raises_the_smaller_classes_to_the_size_and_leaves_all_rows_in_front(cls, size, expected):
    X, y, X_new, y_new = resampled(cls(target_size=size))
    assert np.bincount(y_new).tolist() == [max(n, expected) for n in COUNTS]
    np.testing.assert_array_equal(y_new[: len(y)], y)
    np.testing.assert_array_equal(X_new.numeric[: len(y)], X.numeric)
    assert len(X_new) == len(X_new.categorical) == len(y_new)


@pytest.mark.parametrize(("size", "expected"), [("down", 30), ("average", 70), ("median", 60)])
def test_under_sampling_cuts_the_larger_classes_to_the_size(size, expected):
    X, _, X_new, y_new = resampled(RandomUnderSampler(target_size=size))
    assert np.bincount(y_new).tolist() == [min(n, expected) for n in COUNTS]
    known = {tuple(row) for row in X.numeric.tolist()}
    assert len({tuple(row) for row in X_new.numeric.tolist()}) == len(y_new)  # none twice
    assert all(tuple(row) in known for row in X_new.numeric.tolist())


@pytest.mark.parametrize("over", ["random_over", "smote"])
@pytest.mark.parametrize(("size", "expected"), [("average", 70), ("median", 60)])
def test_over_and_under_sampling_bring_all_classes_to_the_size_that_they_had_before(over, size, expected):
    X, _, X_new, y_new = resampled(OverUnderSampler(target_size=size, over=over))
    assert np.bincount(y_new).tolist() == [expected] * 3
    known = {tuple(row) for row in X.numeric.tolist()}
    rows = [{tuple(row) for row in X_new.numeric[y_new == label].tolist()} for label in range(3)]
    assert len(rows[0]) == expected  # of the largest class none is there twice
    assert rows[0] <= known
    assert (rows[2] <= known) is (over == "random_over")


@pytest.mark.parametrize("cls", RESAMPLERS)
def test_each_row_keeps_the_class_that_its_numbers_have(cls):
    _, _, X_new, y_new = resampled(cls())
    np.testing.assert_array_equal(np.round(X_new.numeric.mean(axis=1) / 100), y_new)


def test_made_up_rows_lie_between_a_row_of_the_class_and_one_of_its_neighbours():
    X, y, X_new, y_new = resampled(SMOTE(k_neighbors=3))
    for new, label, code in zip(X_new.numeric[len(y) :], y_new[len(y) :], X_new.categorical[len(y) :, 0], strict=True):
        rows, codes = X.numeric[y == label].astype(np.float64), X.categorical[y == label, 0]
        distances = np.linalg.norm(rows[:, None] - rows[None], axis=2)
        np.fill_diagonal(distances, np.inf)
        nearest = np.argsort(distances, axis=1)[:, :3]
        begin = np.repeat(np.arange(len(rows)), 3)
        end = nearest.ravel()
        off = (
            np.linalg.norm(new - rows[begin], axis=1) + np.linalg.norm(new - rows[end], axis=1) - distances[begin, end]
        )
        assert off.min() < 1e-4
        assert code in codes[[begin[off.argmin()], end[off.argmin()]]]


def test_made_up_rows_are_new():
    X, y, X_new, _ = resampled(SMOTE())
    known = {tuple(row) for row in X.numeric.tolist()}
    assert sum(tuple(row) in known for row in X_new.numeric[len(y) :].tolist()) == 0


def test_a_class_of_one_row_is_repeated_and_one_of_two_has_one_neighbour():
    X, y, X_new, y_new = resampled(SMOTE(), (6, 2, 1))
    assert np.bincount(y_new).tolist() == [6, 6, 6]
    assert (X_new.numeric[y_new == 2] == X.numeric[y == 2]).all()
    ends = X.numeric[y == 1]
    assert ((X_new.numeric[y_new == 1] >= ends.min(0)) & (X_new.numeric[y_new == 1] <= ends.max(0))).all()


def test_classes_that_the_training_part_lacks_are_left_out():
    for cls in RESAMPLERS:
        _, _, _, y_new = resampled(cls(), (60, 30), THREE)
        assert set(y_new) == {0, 1}


def test_the_table_never_grows_to_more_than_three_times_its_rows():
    X, _ = table((10,))
    y = np.concatenate([np.zeros(900), np.arange(1, 101)]).astype(np.int64)
    X = Inputs(np.zeros((1000, 1), np.float32), np.zeros((1000, 0), np.int32), ())
    _, y_new = RandomOverSampler().resample(X, y, Target(TaskType.MULTICLASS, 101), rng())
    assert 2900 < len(y_new) <= 3000
    assert len(set(np.bincount(y_new)[1:])) == 1


def test_no_class_is_cut_to_a_handful_of_rows():
    _, _, _, y_new = resampled(RandomUnderSampler(target_size="down"), (100, 50, 1))
    assert np.bincount(y_new).tolist() == [10, 10, 1]


@pytest.mark.parametrize("cls", RESAMPLERS)
def test_a_regression_is_left_as_it_is(cls):
    X, y, X_new, y_new = resampled(cls(), target=VALUE)
    assert X_new is X and y_new is y


def test_without_resampling_the_rows_are_as_they_were():
    X, y, X_new, y_new = resampled(NoResampling())
    assert X_new is X and y_new is y


def test_an_unknown_size_is_refused():
    with pytest.raises(ValueError, match="up, down, average, median, got target_size='even'"):
        RandomOverSampler(target_size="even")


@pytest.mark.parametrize("cls", RESAMPLERS)
def test_rows_keep_their_weights_and_new_ones_have_that_of_a_row_of_their_class(cls):
    X, y = table()
    X = replace(X, weights=1.0 + y)
    X_new, y_new = cls().resample(X, y, THREE, rng())
    np.testing.assert_array_equal(X_new.weights, 1.0 + y_new)
