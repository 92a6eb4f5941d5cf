from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest

from raytabdl.exceptions import DataError
from raytabdl.inputs import Target, TaskType
from raytabdl.schema import Kind
from raytabdl.task import make_task
from raytabdl.validation import TimeOrder

BINARY, MULTICLASS = Target(TaskType.BINARY, 2), Target(TaskType.MULTICLASS, 3)
REGRESSION = Target(TaskType.REGRESSION, 0)
RNG = np.random.default_rng(0)


@pytest.mark.filterwarnings("ignore:5 rows in 3 folds")
def test_five_rows_are_trained_on_and_validated_apart():
    task = make_task(np.random.default_rng(0).normal(size=(5, 2)), np.array([0, 0, 0, 1, 1]), BINARY, 5,
                     np.random.default_rng(0))  # fmt: skip
    train, valid = task.split(0)
    assert sorted(task.y[valid]) == [0, 1]
    assert sorted([*train, *valid]) == list(range(5))


@pytest.mark.filterwarnings("ignore:none of the 2 rows", "ignore:columns that are the target")
def test_two_rows_are_trained_on_and_validated_alike():
    task = make_task(np.array([[1.0], [2.0]]), np.array([0, 1]), BINARY, 5, np.random.default_rng(0))
    assert [rows.tolist() for rows in task.split(0)] == [[0, 1], [0, 1]]
    assert task.n_folds == 1


def test_probabilities_that_would_not_fit_are_refused_with_their_size():
    y = np.arange(120_000) // 2
    with pytest.raises(DataError, match=r"60,000 classes: the probabilities of 60,000 validation rows take 28,800 MB"):
        make_task(np.zeros((120_000, 1)) + y[:, None] % 7, y, Target(TaskType.MULTICLASS, 60_000), 5, RNG)


def test_rows_of_one_class_each_are_trained_and_validated_on_alike():
    with pytest.warns(UserWarning, match="none of the 6 rows can be held out"):
        task = make_task(np.arange(6.0)[:, None] % 4, np.arange(6), Target(TaskType.MULTICLASS, 6), 5, RNG)
    assert task.n_folds == 1
    assert [len(rows) for rows in task.split(0)] == [6, 6]


def test_a_handful_of_rows_of_one_class_that_models_are_compared_by_are_warned_of():
    X, y = np.arange(12_000)[:, None] % 97.0, np.repeat([0, 1], [11_925, 75])
    with pytest.warns(UserWarning, match="compared by 2,400 rows, of which 15 are of the rarer class"):
        make_task(X, y, BINARY, 5, np.random.default_rng(0))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        make_task(X[:9_000], y[-9_000:], BINARY, 5, np.random.default_rng(0))  # as few as one expects
        make_task(X, np.repeat([0, 1], [11_900, 100]), BINARY, 5, np.random.default_rng(0))


def test_the_content_is_the_same_for_the_same_rows_targets_and_folds_only():
    X, y = np.arange(40.0).reshape(20, 2), np.arange(20) % 3 % 2

    def content(X=X, y=y, target=BINARY, seed=0):
        return make_task(X, y, target, 4, np.random.default_rng(seed)).content

    assert content() == content()
    others = [content(X=np.where(X == 7, 7.5, X)), content(y=1 - y), content(seed=1), content(target=REGRESSION)]
    assert len({content(), *others}) == 5


def test_a_table_and_a_target_of_other_lengths_are_refused():
    with pytest.raises(DataError, match="3 rows and 2 targets"):
        make_task(np.arange(6).reshape(3, 2), np.array([0, 1]), BINARY, 5, np.random.default_rng(0))


def test_a_table_without_a_usable_column_is_a_task_with_a_warning():
    with pytest.warns(UserWarning, match="no usable features"):
        task = make_task(pd.DataFrame({"a": [1] * 6}), np.arange(6) % 2, BINARY, 3, np.random.default_rng(0))
    assert task.inputs.numeric.shape == (6, 0)


@pytest.mark.parametrize(
    ("leak", "y", "target"),
    [
        (list("baccab"), np.array([1, 0, 2, 2, 0, 1]), MULTICLASS),
        ([7.0, 3, 3, 7, 7, 3], np.array([1, 0, 0, 1, 1, 0]), BINARY),
        ([1.5, 2, 0, 4, 8, 9], np.array([1.5, 2, 0, 4, 8, 9]), REGRESSION),
    ],
)
def test_a_column_that_is_the_target_is_warned_of(leak, y, target):
    frame = pd.DataFrame({"word": list("xxxyyy"), "number": range(6), "leak": leak})
    with pytest.warns(UserWarning, match=r"target under another name: \['leak'\]"):
        make_task(frame, y, target, 3, np.random.default_rng(0))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        make_task(frame.drop(columns="leak"), y, target, 3, np.random.default_rng(0))


def test_a_column_that_counts_the_rows_is_warned_of_unless_they_are_in_the_order_of_time() -> None:
    X = pd.DataFrame({"id": np.arange(7, 47), "x": np.arange(40.0) % 7})
    y = np.random.default_rng(0).normal(size=40)
    with pytest.warns(UserWarning, match=r"columns that count the rows: \['id'\]; drop them from X"):
        task = make_task(X, y, REGRESSION, 3, np.random.default_rng(0))
    assert [column.name for column in task.schema.columns] == ["id", "x"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for others in (X[["id"]], X.assign(id=X["id"] // 2), X.assign(id=X["id"].to_numpy()[::-1]), X.head(20)):
            make_task(others, y[: len(others)], REGRESSION, 3, np.random.default_rng(0))
        make_task(X, y, REGRESSION, 3, np.random.default_rng(0), validation=TimeOrder())


def test_the_index_of_a_table_stays_where_it_is_the_time() -> None:
    X = pd.DataFrame({"index": np.arange(40), "x": np.arange(40.0) % 7})
    y = np.random.default_rng(0).normal(size=40)
    for validation, names in ((TimeOrder("index"), ["index", "x"]), (TimeOrder(), ["x"]), (None, ["x"])):
        task = make_task(X, y, REGRESSION, 3, np.random.default_rng(0), validation=validation)
        assert [column.name for column in task.schema.columns] == names


def test_numbers_are_names_where_it_is_said() -> None:
    X = pd.DataFrame({"shop": np.arange(40) % 4 * 10, "x": np.arange(40.0)})
    task = make_task(
        X, np.arange(40) % 2, Target(TaskType.BINARY, 2), 5, np.random.default_rng(0), categorical=["shop"]
    )
    assert [column.name for column in task.schema.columns if column.kind is Kind.CATEGORY] == ["shop"]
    later = task.schema.encode(pd.DataFrame({"shop": [10.0, 30.0], "x": [1.0, 2.0]}))
    np.testing.assert_array_equal(later.categorical, task.inputs.take(np.array([1, 3])).categorical)
    with pytest.raises(DataError, match=r"does not have, \['town'\]; it has \['shop', 'x'\]"):
        make_task(X, np.arange(40) % 2, Target(TaskType.BINARY, 2), 5, np.random.default_rng(0), categorical=["town"])


def test_weights_may_leave_a_class_without_rows() -> None:
    X, y = np.random.default_rng(0).normal(size=(60, 2)), np.arange(60) % 3
    task = make_task(X, y, MULTICLASS, 5, np.random.default_rng(0), sample_weight=(y != 1).astype(float))
    assert set(task.y.tolist()) == {0, 2}
