from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from raytabdl.exceptions import DataError
from raytabdl.inputs import Target, TaskType
from raytabdl.targets import (
    encode_further,
    encode_labels,
    encode_values,
    infer_kind,
    infer_target,
)

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
    assert infer_target(["a", "b"]) == Target(TaskType.BINARY, 2)
    assert infer_target(np.array([1, 2, 3])) == Target(TaskType.MULTICLASS, 3)
    assert infer_target(None) == Target(TaskType.REGRESSION, 0)


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
