from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.model_selection import GroupKFold, KFold, PredefinedSplit, RepeatedKFold, ShuffleSplit, TimeSeriesSplit

from raytabdl import TimeOrder
from raytabdl.exceptions import DataError, SettingError
from raytabdl.inputs import Target, TaskType
from raytabdl.task import Task, make_task
from raytabdl.validation import TRAINED, check_parts, group_codes, group_partition, own_partition, partition

BINARY, MULTICLASS = Target(TaskType.BINARY, 2), Target(TaskType.MULTICLASS, 3)
REGRESSION = Target(TaskType.REGRESSION, 0)


def rng(seed=0):
    return np.random.default_rng(seed)


def task_of(n=40, target=REGRESSION, **told) -> Task:
    """A table whose one column numbers its rows."""
    y = np.arange(n) % 2 if target is BINARY else rng().normal(size=n)
    return make_task(pd.DataFrame({"row": np.arange(n)}), y, target, 5, rng(), **told)


def rows_of(task, fold):
    """The training and the validation rows as they were numbered before any was left out."""
    numbers = task.inputs.numeric[:, 0] + task.schema.columns[0].origin
    return [set(np.rint(numbers[rows]).astype(int).tolist()) for rows in task.split(fold)]


# By targets.


@given(st.integers(2, 90), st.integers(2, 8), st.integers(0, 1000))
def test_every_class_is_spread_evenly_over_the_folds(n, n_folds, seed):
    y = rng(seed).choice(3, size=n, p=[0.7, 0.25, 0.05])
    folds = partition(y, MULTICLASS, n_folds, rng(seed))
    counts = np.bincount(y, minlength=3)
    n_folds = max(2, min(n_folds, counts.max()))
    for c in np.flatnonzero(counts):
        sizes = np.bincount(folds[(y == c) & (folds >= 0)], minlength=n_folds)
        if counts[c] >= n_folds:
            assert sizes.max() - sizes.min() <= 1
        elif counts[c] > 1:
            assert sizes[0] == 0
        else:
            assert (folds[y == c] == TRAINED).all()
        assert (folds[y == c] != 0).any()  # each class can be learned


@given(st.integers(2, 60), st.integers(2, 8), st.integers(0, 1000))
def test_every_stretch_of_a_regression_target_is_in_every_fold(n, n_folds, seed):
    y = rng(seed).normal(size=n)
    folds = partition(y, REGRESSION, n_folds, rng(seed))
    n_folds = min(n, n_folds)
    ordered = folds[np.argsort(y)]
    for start in range(0, n - n_folds + 1, n_folds):
        assert sorted(ordered[start : start + n_folds]) == list(range(n_folds))


def test_the_partition_follows_from_the_seed():
    y = np.arange(40) % 3
    first, again, other = (partition(y, MULTICLASS, 5, rng(seed)) for seed in (0, 0, 1))
    assert (first == again).all()
    assert (first != other).any()


# By groups.


@pytest.mark.filterwarnings("ignore:groups are of very different size")
@given(st.integers(2, 30), st.integers(2, 6), st.sampled_from([MULTICLASS, REGRESSION]), st.integers(0, 1000))
def test_no_group_is_in_two_folds_and_no_fold_is_empty(n_groups, n_folds, target, seed):
    groups = np.append(np.arange(n_groups), rng(seed).integers(n_groups, size=3 * n_groups))
    y = rng(seed).integers(3, size=len(groups)) if target is MULTICLASS else rng(seed).normal(size=len(groups))
    try:
        folds = group_partition(y, groups, target, n_folds, rng(seed))
    except DataError:
        assert target is MULTICLASS  # each group has a class for itself
        return
    assert all(len(set(folds[groups == group])) == 1 for group in range(n_groups))
    used = set(folds.tolist()) - {TRAINED}
    assert used == set(range(len(used)))
    assert len(used) == n_folds if n_groups >= n_folds and TRAINED not in folds else len(used) <= n_folds
    if target is MULTICLASS:
        assert set(y[folds != 0]) == set(y)  # each class can be learned


def test_folds_of_groups_are_alike_in_size_and_in_classes():
    sizes = rng().integers(1, 30, size=200)
    groups = np.repeat(np.arange(200), sizes)
    y = (rng(1).random(len(groups)) < np.repeat(rng(2).random(200), sizes)).astype(int)
    folds = group_partition(y, groups, BINARY, 5, rng())
    share = np.bincount(folds) / len(y)
    assert share == pytest.approx(np.full(5, 0.2), abs=0.02)
    of_class = [y[folds == fold].mean() for fold in range(5)]
    assert of_class == pytest.approx(np.full(5, y.mean()), abs=0.03)


@pytest.mark.filterwarnings("ignore:groups are of very different size")
@given(st.lists(st.integers(1, 60), min_size=2, max_size=30), st.integers(2, 6), st.integers(0, 1000))
def test_models_are_compared_by_the_fold_of_the_most_usual_size(sizes, n_folds, seed):
    groups = np.repeat(np.arange(len(sizes)), sizes)
    folds = group_partition(rng(seed).normal(size=len(groups)), groups, REGRESSION, n_folds, rng(seed))
    n_rows, share = np.bincount(folds), 1 / (folds.max() + 1)
    assert abs(n_rows[0] / len(folds) - share) <= np.abs(n_rows / len(folds) - share).min() + 1e-12


@pytest.mark.parametrize("n_folds", [2, 5])
def test_a_group_of_most_rows_is_not_what_models_are_compared_by(n_folds):
    groups = np.repeat(np.arange(n_folds), [70] + [30 // (n_folds - 1)] * (n_folds - 1))
    with pytest.warns(UserWarning, match=f"1 of {n_folds} folds train on less than 75% of the rows .* divide") as told:
        folds = group_partition(rng().normal(size=len(groups)), groups, REGRESSION, n_folds, rng())
    assert (folds == 0).sum() == 30 // (n_folds - 1)
    assert "fold 0" not in str(told[0].message)


def test_a_first_fold_that_trains_on_little_is_warned_of():
    with pytest.warns(UserWarning, match="2 of 3 folds .* 90, .*fold 0, which models are compared by, trains on 55"):
        group_partition(rng().normal(size=100), np.repeat([0, 1, 2], [45, 45, 10]), REGRESSION, 3, rng())


def test_groups_of_one_size_are_warned_of_nothing():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        task_of(60, groups=np.arange(60) // 6)


def test_a_group_that_has_a_class_for_itself_is_always_trained_on():
    folds = group_partition(np.array([0, 1, 0, 1, 2, 2]), np.array([0, 0, 1, 1, 2, 2]), MULTICLASS, 5, rng())
    assert sorted(folds[:4].tolist()) == [0, 0, 1, 1]
    assert folds[4:].tolist() == [TRAINED, TRAINED]


@pytest.mark.parametrize(
    ("groups", "words"),
    [
        (["a"] * 6, "there are 1"),
        (["a", "b", "c"] * 2, "for themselves"),
        (["a"] * 5, r"each of the 6 rows, got an array of shape \(5,\)"),
        ([["a"]] * 6, r"shape \(6, 1\)"),
        (["a", None, "b", None, "a", "b"], "2 missing values, the first at position 1"),
    ],
)
def test_groups_that_make_no_folds_say_why(groups, words):
    with pytest.raises(DataError, match=words):
        make_task(np.arange(12.0).reshape(6, 2), np.array([0, 1, 2] * 2), MULTICLASS, 5, rng(), groups=groups)


def test_groups_may_have_names_of_any_kind():
    for groups in (list("aabb"), pd.Series([7, 7, 9, 9], index=list("wxyz")), pd.Categorical(["p", "p", "q", "q"])):
        assert group_codes(groups, 4).tolist() == [0, 0, 1, 1]


# By time.


@given(st.integers(2, 60), st.integers(1, 20), st.floats(0.05, 0.95), st.integers(0, 1000))
def test_what_is_validated_by_is_later_than_what_is_trained_on(n, n_times, share, seed):
    """Whatever the order of the rows; rows of one time are on one side."""
    times = rng(seed).integers(n_times, size=n)
    frame = pd.DataFrame({"day": pd.Timestamp("2024-01-31") + pd.to_timedelta(times, "D")})
    if len(set(times)) == 1:
        with pytest.raises(DataError, match="'day'"):
            TimeOrder("day", share).partition(frame)
        return
    is_valid = TimeOrder("day", share).partition(frame) == 0
    assert times[is_valid].min() > times[~is_valid].max()


def test_rows_are_in_the_order_of_time_unless_a_column_says_so():
    train, valid = rows_of(task_of(validation=TimeOrder(share=0.25)), 0)
    assert (train, valid) == (set(range(30)), set(range(30, 40)))
    assert task_of(validation=TimeOrder()).n_folds == 1


@pytest.mark.parametrize(
    ("frame", "words"),
    [
        (pd.DataFrame({"a": [1, 2]}), r"column 'day', which X does not have; it has \['a'\]"),
        (
            pd.DataFrame({"day": pd.to_datetime(["2024-01-01", None, None])}),
            "no time in 2 rows, the first at position 1",
        ),
    ],
)
def test_times_that_give_no_order_say_why(frame, words):
    with pytest.raises(DataError, match=words):
        TimeOrder("day").partition(frame)


def test_a_share_is_a_part_of_the_rows():
    with pytest.raises(SettingError, match=r"share must be between 0 and 1, got 1\.5"):
        TimeOrder(share=1.5)


# One's own.


@pytest.mark.parametrize(
    "splitter", [KFold(4), ShuffleSplit(3, random_state=0), RepeatedKFold(n_splits=2, n_repeats=3)]
)
def test_the_folds_of_a_splitter_are_those_that_it_gives(splitter):
    """Also where they overlap."""
    if isinstance(splitter, RepeatedKFold):
        splitter.random_state = 0
    task = task_of(validation=splitter)
    expected = [(set(train.tolist()), set(valid.tolist())) for train, valid in splitter.split(np.zeros(40))]
    assert task.n_folds == len(expected)
    assert [tuple(rows_of(task, fold)) for fold in range(task.n_folds)] == expected


def test_a_splitter_is_told_the_groups():
    groups = np.arange(40) // 8
    task = task_of(validation=GroupKFold(5), groups=groups)
    for fold in range(5):
        train, valid = (set(groups[list(rows)]) for rows in rows_of(task, fold))
        assert not train & valid


def test_rows_that_are_in_no_part_are_in_none():
    task = task_of(validation=[([3, 1, 2], [7, 6])])
    assert rows_of(task, 0) == [{1, 2, 3}, {6, 7}]
    assert task.n_folds == 1
    held_out = task_of(validation=PredefinedSplit([-1] * 30 + [0] * 10))
    assert rows_of(held_out, 0) == [set(range(30)), set(range(30, 40))]


def test_the_fold_that_trains_on_most_rows_is_the_first_and_much_smaller_ones_are_left_out():
    with pytest.warns(UserWarning, match="3 of 5 folds are left out: they train on less than 75%"):
        task = task_of(60, validation=TimeSeriesSplit(5))
    assert [tuple(map(len, rows_of(task, fold))) for fold in range(task.n_folds)] == [(50, 10), (40, 10)]


@pytest.mark.parametrize(
    ("pairs", "words"),
    [
        ([], "at least one pair"),
        ([([0], [1]), ([0, 1], [1, 2])], "fold 1 of validation has 1 rows in both parts"),
        ([([0, 4], [1])], r"training rows of fold 0 of validation must be from 0 to 3, got 0 to 4"),
        ([([0], [-1])], r"validation rows of fold 0 of validation must be from 0 to 3, got -1 to -1"),
        ([([0], [])], "validation rows of fold 0 .* with one at least"),
        ([([0.5], [1])], "positions"),
        ([([True, False], [False, True])], "positions, with one at least, got bool"),
        ([[0, 1, 2]], "fold 0 of validation must be a pair"),
        ([0], "fold 0 of validation must be a pair"),
    ],
)
def test_pairs_that_are_no_folds_say_why(pairs, words):
    with pytest.raises(DataError, match=words):
        own_partition(pairs, 4)


def test_a_splitter_that_cannot_split_says_why():
    with pytest.raises(DataError, match="validation cannot split the 40 rows: Cannot have number of splits"):
        task_of(validation=KFold(50))


@pytest.mark.parametrize(
    ("told", "words"),
    [
        (("time", None, None, None), r"TimeOrder\(\), a splitter .*got 'time'"),
        ((3, None, None, None), "got 3"),
        ((None, None, "X", None), "X_valid and y_valid go together"),
        ((None, "groups", "X", "y"), "neither groups nor validation"),
        ((TimeOrder(), None, "X", "y"), "neither groups nor validation"),
        ((TimeOrder(), "groups", None, None), "leave one of them out"),
    ],
)
def test_parts_are_told_in_one_way(told, words):
    with pytest.raises(SettingError, match=words):
        check_parts(*told)


# Another table to validate by.


def test_a_given_validation_set_is_what_is_validated_by_and_is_not_trained_on():
    X_valid = pd.DataFrame({"more": 0, "row": [100, 101]})
    with pytest.warns(UserWarning, match="does not know are ignored: .*more"):
        task = task_of(10, holdout=(X_valid, np.array([0.5, 1.5])))
    assert rows_of(task, 0) == [set(range(10)), {100, 101}]
    assert task.truth(0).y.tolist() == [0.5, 1.5]
    assert task.n_folds == 1


@pytest.mark.parametrize(
    ("X_valid", "words"),
    [
        (pd.DataFrame({"other": [1, 2]}), r"X_valid does not fit X: columns missing from the table: \['row'\]"),
        (pd.DataFrame({"row": [1]}), "got 1 rows and 2 targets"),
    ],
)
def test_a_validation_set_is_checked_as_a_table_to_predict_is(X_valid, words):
    with pytest.raises(DataError, match=words):
        task_of(10, holdout=(X_valid, np.array([0.5, 1.5])))


# Weights.


@pytest.mark.parametrize(
    "told", [{}, {"groups": np.arange(40) // 4}, {"validation": KFold(4)}, {"validation": TimeOrder()}]
)
@pytest.mark.parametrize("target", [BINARY, REGRESSION])
def test_a_row_of_weight_zero_is_as_if_it_were_not_there(told, target):
    kept = np.flatnonzero(rng(1).random(40) < 0.7)
    frame = pd.DataFrame({"row": np.arange(40.0), "word": rng(2).choice(list("abc"), 40)})
    y = np.arange(40) % 2 if target is BINARY else rng().normal(size=40)
    odd, y_odd = frame.copy(), y.copy()
    dropped = np.setdiff1d(np.arange(40), kept)
    odd.loc[dropped, "row"], odd.loc[dropped, "word"] = 1e12, "z"
    weights = np.zeros(40)
    weights[kept] = 3.0
    told_less = {name: value[kept] if name == "groups" else value for name, value in told.items()}
    less = make_task(frame.iloc[kept], y[kept], target, 5, rng(), **told_less)
    zero = make_task(odd, y_odd, target, 5, rng(), sample_weight=weights, **told)
    assert zero.schema == less.schema
    assert zero.inputs.weights is not None
    assert (zero.inputs.weights == 1).all()
    for name in ("numeric", "categorical"):
        np.testing.assert_array_equal(getattr(zero.inputs, name), getattr(less.inputs, name))
    np.testing.assert_array_equal(zero.y, less.y)
    np.testing.assert_array_equal(zero.folds, less.folds)


def test_pairs_name_rows_as_they_were_given():
    weights = np.ones(10)
    weights[[0, 9]] = 0
    task = task_of(10, sample_weight=weights, validation=[([0, 1, 2], [8, 9])])
    assert rows_of(task, 0) == [{1, 2}, {8}]
    with pytest.raises(DataError, match="zero in all validation rows of a fold"):
        task_of(10, sample_weight=weights, validation=[([0, 1, 2], [9])])


@pytest.mark.parametrize(
    ("weights", "words"),
    [
        (np.ones(39), r"each of the 40 rows, got shape \(39,\)"),
        (np.ones((40, 1)), r"shape \(40, 1\)"),
        ([1.0] * 39 + [np.nan], "1 missing or infinite values, the first at position 39"),
        ([1.0, -2.0, -3.0] + [1.0] * 37, "2 negative values, the first at position 1"),
        (np.zeros(40), "zero in every row"),
        (["heavy"] * 40, "must hold numbers"),
        (np.arange(40) % 2, "one class only"),
    ],
)
def test_weights_that_are_none_say_why(weights, words):
    with pytest.raises(DataError, match=f"sample_weight .*{words}"):
        task_of(target=BINARY, sample_weight=weights)


def test_the_content_of_a_task_depends_on_its_weights():
    contents = {task_of(sample_weight=w).content for w in (None, np.ones(40), np.arange(40) + 1.0)}
    assert len(contents) == 3


def test_a_plain_task_warns_of_nothing():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        task_of(sample_weight=np.ones(40), validation=KFold(3))


def test_dates_and_numbers_in_strings_are_in_the_order_of_time():
    days = pd.date_range("2024-01-01", periods=40, freq="9D").strftime("%d.%m.%Y")
    for times in (days, [str(i) for i in range(40)], [str(i) for i in range(12)]):
        folds = TimeOrder("t", share=0.25).partition(pd.DataFrame({"t": times}))
        assert folds.tolist() == [TRAINED] * (len(times) * 3 // 4) + [0] * (len(times) // 4)


def test_the_rarer_of_two_classes_is_in_every_fold():
    for n_rare in (2, 3, 4):
        y = np.zeros(100)
        y[:n_rare] = 1
        folds = partition(y, Target(TaskType.BINARY, 2), 5, rng(0))
        assert sorted(folds[y == 1]) == list(range(n_rare))


def test_validation_rows_of_one_class_are_warned_of():
    X, y = pd.DataFrame({"x": np.arange(20.0)}), np.repeat([1, 0], 10)
    with pytest.warns(UserWarning, match="of one class"):
        make_task(X, y, Target(TaskType.BINARY, 2), 5, rng(0), validation=TimeOrder())
