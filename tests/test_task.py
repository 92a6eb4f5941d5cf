from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from raytabdl.exceptions import DataError
from raytabdl.inputs import Target, TaskType
from raytabdl.schema import Kind
from raytabdl.task import (
    encode_further,
    encode_labels,
    encode_values,
    infer_kind,
    infer_target,
    make_task,
)
from raytabdl.validation import MAX_VALIDATION_ROWS, TimeOrder

BINARY, MULTICLASS = Target(TaskType.BINARY, 2), Target(TaskType.MULTICLASS, 3)
REGRESSION = Target(TaskType.REGRESSION, 0)
RNG = np.random.default_rng(0)

LABELS = {
    "list of str": ["b", "a", "b", "a"],
    "numpy str": np.array(["b", "a", "b", "a"]),
    "numpy objects": np.array(["b", "a", "b", "a"], dtype=object),
    "bool": np.array([True, False, True, False]),
    "int": np.array([3, 1, 3, 1], dtype=np.int8),
    "float": np.array([1.0, 0.0, 1.0, 0.0]),
    "objects of int": np.array([3, 1, 3, 1], dtype=object),
    "objects of bool": np.array([True, False, True, False], dtype=object),
    "series of str": pd.Series(["b", "a", "b", "a"]),
    "category of int": pd.Series(pd.Categorical([3, 1, 3, 1], categories=[2, 1, 3])),
    "category of str": pd.Series(pd.Categorical(["b", "a", "b", "a"])),
    "Int64": pd.Series([3, 1, 3, 1], dtype="Int64"),
    "boolean": pd.Series([True, False, True, False], dtype="boolean"),
    "string": pd.Series(["b", "a", "b", "a"], dtype="string"),
    "arrow": pd.Series([3, 1, 3, 1], dtype=pd.ArrowDtype(pa.int64())),
    "arrow array": pa.array(["b", "a", "b", "a"]),
}


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("y", LABELS.values(), ids=LABELS)
def test_labels_come_back_as_they_were_given(y):
    codes, classes = encode_labels(y)
    given_ = y.to_pylist() if isinstance(y, pa.Array) else list(y)
    assert codes.tolist() == [1, 0, 1, 0]
    assert classes[codes].tolist() == given_
    assert classes.tolist() == sorted(set(given_))
    if isinstance(y, np.ndarray):
        assert classes.dtype == y.dtype


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (None, "y is None"),
        ([], "0 sample"),
        (["a", None, np.nan, "b"], "2 missing targets, the first at index 1"),
        (pd.Series([1, None], dtype="Int64", index=["p", "q"]), "1 missing targets, the first at index q"),
        (pd.Series(pd.Categorical(["a", None])), "1 missing targets"),
        ([1, "a"], "cannot be sorted"),
        ([1, 1], r"one class only, \[1\]"),
        ([0.5, 1.0], "continuous"),
        ([[0, 1], [1, 0]], "several targets"),
        ([[0], [1, 0]], "one-dimensional"),
        ([1j, 2], "Complex"),
        ([object()] * 2, "got <object"),
    ],
)
def test_labels_that_are_none_say_why(y, message):
    with pytest.raises(DataError, match=message):
        encode_labels(y)


@pytest.mark.parametrize(
    ("y", "message"),
    [
        ([1.0, np.nan], "1 missing targets, the first at index 1"),
        ([1.0, np.inf, -np.inf], "infinity: 2 rows, the first at position 1"),
        (["a", "b"], "must hold numbers"),
        ([10**400, 1], "must hold numbers"),
        ([1, -1e151, 1e308], "2 values beyond 1e\\+150, the first, -1e\\+151, at position 1"),
        (pd.date_range("2020", periods=2), "must hold numbers"),
        ([1j, 2], "Complex"),
    ],
)
def test_values_that_are_none_say_why(y, message):
    with pytest.raises(DataError, match=message):
        encode_values(y)


def test_values_of_any_numeric_dtype_are_float64():
    for y in ([1, 2], pd.Series([1, 2], dtype="Int64"), np.array([1, 2], object), pa.chunked_array([[1, 2]])):
        assert encode_values(y).tolist() == [1.0, 2.0]


def test_labels_of_a_validation_set_are_encoded_by_the_classes_of_training():
    assert encode_further(["b", "b"], np.array(["a", "b"]), "y_valid").tolist() == [1, 1]
    assert encode_further(pd.Series([2.0, 1.0]), np.array([1, 2]), "y_valid").tolist() == [1, 0]
    assert encode_further([3, 3], None, "y_valid").tolist() == [3.0, 3.0]
    with pytest.raises(DataError, match="y_valid holds 1 labels that y does not, among them 'c'"):
        encode_further(["a", "c", "c"], np.array(["a", "b"]), "y_valid")


def test_what_is_odd_and_yet_usable_is_warned_of():
    with pytest.warns(UserWarning, match=r"single row.*\['c'\]"):
        encode_labels(["a", "a", "b", "b", "c"])
    with pytest.warns(UserWarning, match=r"y is 2\.0 in every row"):
        encode_values([2, 2])
    with pytest.warns(UserWarning, match="column-vector"):
        encode_values(np.ones((2, 1)) * [[1], [2]])


def test_the_target_is_not_changed():
    y = pd.Series(pd.Categorical(["b", "a", "b", "a"], categories=["c", "b", "a"]))
    before = y.copy(deep=True)
    encode_labels(y)
    pd.testing.assert_series_equal(y, before)


def test_two_classes_are_binary_and_none_a_regression():
    assert infer_target(["a", "b"]) == BINARY
    assert infer_target(np.array([1, 2, 3])) == MULTICLASS
    assert infer_target(None) == REGRESSION


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


def test_a_fold_of_a_large_table_is_bounded():
    n = 7 * MAX_VALIDATION_ROWS
    rng = np.random.default_rng(0)
    task = make_task(rng.normal(size=(n, 1)), rng.normal(size=n), REGRESSION, 5, rng)
    assert len(task.split(0)[1]) <= MAX_VALIDATION_ROWS


@pytest.mark.parametrize(
    ("counts", "n_folds"),
    [
        ((70_000, 70_000), 7),
        ((284_315, 492), 9),  # of 15: 54 rows in each
        ((199_960, 40), 5),
        ((199_000, 600, 400), 8),
        ((199_970, 20, 10), 10),  # too rare to have 50 in a fifth
    ],
)
@pytest.mark.filterwarnings("ignore:models are compared by 40,000 rows, of which 8")
def test_a_fold_of_a_large_table_has_50_rows_of_a_rare_class_where_it_can(counts, n_folds):
    y = np.repeat(np.arange(len(counts)), counts)
    target = BINARY if len(counts) == 2 else MULTICLASS
    task = make_task(np.arange(len(y))[:, None] % 97.0, y, target, 5, np.random.default_rng(0))
    assert task.n_folds == n_folds
    in_fold = np.bincount(task.truth(0).y.astype(int))
    assert all(n >= 50 for n, count in zip(in_fold, counts, strict=True) if count >= 250)


def test_rare_classes_give_way_to_memory():
    """A fifth of these rows is 72,000, whose probabilities of 1,000 classes take 576 MB."""
    y = np.append(np.repeat(np.arange(999), 260), np.full(100_000, 999))
    task = make_task(np.arange(len(y))[:, None] % 97.0, y, Target(TaskType.MULTICLASS, 1_000), 5, RNG)
    assert max(task.n_valid()) <= MAX_VALIDATION_ROWS


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


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (["a", "b"] * 50, "classification"),
        ([True, False] * 50, "classification"),
        (pd.Categorical(range(100)), "classification"),
        ([0, 1, 2, 19] * 25, "classification"),
        ([0.0, 1.0] * 50, "classification"),
        (range(20), "classification"),
        (range(21), "regression"),
        ([0.5, 1.0] * 50, "regression"),
        (np.linspace(0, 1, 100), "regression"),
    ],
)
def test_the_kind_of_a_target_follows_from_its_values(values: object, kind: str) -> None:
    assert infer_kind(pd.Series(values))[0] == kind


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
