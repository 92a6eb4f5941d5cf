"""What is to be learned: encoded rows, the target, and one fixed partition into folds."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from raytabdl.checks import check_memory, check_size
from raytabdl.exceptions import DataError
from raytabdl.inputs import Array, Inputs, Rows, Target, TaskType
from raytabdl.labels import array_of_objects, is_label
from raytabdl.schema import Kind, Schema, infer_schema, to_frame, without_twins

MAX_VALIDATION_ROWS = 20_000

_LARGEST_TARGET = 1e150
"""The squares of larger values are no float64."""


@dataclass(frozen=True)
class Task:
    """A table to learn from, fixed for the whole run.

    ``y`` holds class codes (int64) or values (float64). ``folds`` gives each row's fold; rows of fold -1
    belong to every training part: the only row of a class must not be missing from it.
    """

    inputs: Inputs
    y: Array
    target: Target
    schema: Schema
    folds: NDArray[np.int16]

    @property
    def n_folds(self) -> int:
        return max(1, int(self.folds.max()) + 1)

    @cached_property
    def content(self) -> str:
        """A hash of all that is learned from: rows, targets and folds."""
        digest = hashlib.sha256(f"{self.target} {self.inputs.cardinalities}".encode())
        for array in (self.inputs.numeric, self.inputs.categorical, self.y, self.folds):
            digest.update(f"{array.dtype} {array.shape}".encode())
            digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()

    def split(self, fold: int) -> tuple[Rows, Rows]:
        """The training and the validation rows of a fold; all rows for both where one would be empty."""
        train, valid = np.flatnonzero(self.folds != fold), np.flatnonzero(self.folds == fold)
        if len(train) == 0 or len(valid) == 0:
            everything = np.arange(len(self.y))
            return everything, everything
        return train, valid


@dataclass(frozen=True)
class Labels:
    """The classes of a classification as the user gave them, in sorted order."""

    classes: NDArray[Any]

    def decode(self, codes: NDArray[np.int64]) -> NDArray[Any]:
        return self.classes[codes]


def encode_labels(y: Any) -> tuple[NDArray[np.int64], Labels]:
    """The class codes of a target, and the classes, in their own dtype.

    Raises DataError where a label is missing or of another type, or where there is one class only.
    """
    values = _target_values(y)
    odd = _odd_label(values)
    if odd is not None:
        raise DataError(
            "the labels of y must be strings, bytes, booleans, numbers, dates, times, intervals or tuples of them, got "
            f"{odd!r}; use their strings"
        )
    # scikit-learn's estimator checks look for the first words.
    if values.dtype.kind == "f" and not (np.isfinite(values) & (values == np.floor(values))).all():
        raise DataError("Unknown label type: continuous; y holds fractions or infinity, classes have none")
    try:
        classes, codes, counts = np.unique(values, return_inverse=True, return_counts=True)
    except TypeError as error:
        raise DataError(f"the labels of y cannot be sorted, since their types differ: {error}") from error
    if len(classes) < 2:
        raise DataError(f"y has one class only, {classes.tolist()}; a classifier needs at least 2 classes")
    if (counts == 1).any():
        warnings.warn(
            f"classes with a single row, which is trained on and never validated: {classes[counts == 1].tolist()}",
            stacklevel=2,
        )
    if classes.dtype == np.dtype(object):
        classes = array_of_objects([c.item() if isinstance(c, np.generic) else c for c in classes])
    return codes.astype(np.int64), Labels(classes)


def encode_values(y: Any) -> NDArray[np.float64]:
    """The target of a regression as float64. Raises DataError where a value is missing, infinite or no number."""
    values = _target_values(y)
    try:
        if values.dtype.kind in "mM":
            raise TypeError(f"got {values.dtype}")  # numpy would count its ticks
        numbers = values.astype(np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise DataError(f"y must hold numbers for a regression: {error}") from error
    infinite = np.flatnonzero(np.isinf(numbers))
    if len(infinite):
        raise DataError(
            f"Input y contains infinity: {len(infinite)} rows, the first at position {infinite[0]}; drop these rows"
        )
    huge = np.flatnonzero(np.abs(numbers) > _LARGEST_TARGET)
    if len(huge):
        raise DataError(
            f"y has {len(huge)} values beyond {_LARGEST_TARGET:g}, the first, {numbers[huge[0]]:g}, at position "
            f"{huge[0]}: their squared errors are no numbers; divide y by a constant"
        )
    if (numbers == numbers[0]).all():
        warnings.warn(f"y is {numbers[0]} in every row, and so is every prediction", stacklevel=2)
    return numbers


def make_task(X: Any, y: Any, target: Target, n_folds: int, rng: np.random.Generator) -> Task:
    """The task of a table and an encoded target."""
    frame = to_frame(X)
    check_memory(*frame.shape)
    schema = infer_schema(frame)
    if len(frame) != len(y):
        raise DataError(f"X and y have inconsistent numbers of samples: {len(frame)} rows and {len(y)} targets")
    if not schema.columns:
        warnings.warn(f"no usable features ({dict(schema.dropped)}); the model predicts the prior", stacklevel=3)
    if len(y) > 5 * MAX_VALIDATION_ROWS:
        n_folds = max(n_folds, -(-len(y) // MAX_VALIDATION_ROWS))
    schema, inputs = without_twins(schema, schema.encode(frame))
    task = Task(inputs, y, target, schema, partition(y, target, n_folds, rng))
    check_size(len(y), [len(task.split(fold)[1]) for fold in range(task.n_folds)], target)
    if leaks := _leaks(task):
        warnings.warn(f"columns that are the target under another name: {leaks}; drop them from X", stacklevel=3)
    return task


def partition(y: Array, target: Target, n_folds: int, rng: np.random.Generator) -> NDArray[np.int16]:
    """The fold of each row: every class, or every stretch of a sorted target, is spread evenly over the folds.

    There are fewer folds where no class has that many rows. The rows of a class with fewer rows than folds are
    spread over the folds after the first, and the only row of a class gets fold -1.
    """
    n_rows = len(y)
    n_folds = min(n_folds, n_rows)
    folds = np.empty(n_rows, np.int16)
    shuffled = rng.permutation(n_rows)
    by_target = shuffled[np.argsort(y[shuffled], kind="stable")]
    if not target.task_type.is_classification:
        # Each stretch of n_folds neighbours gives one row to each fold, in random order.
        n_stretches = -(-n_rows // n_folds)
        order = np.argsort(rng.random((n_stretches, n_folds)), axis=1).ravel()[:n_rows]
        folds[by_target] = order
        return folds
    counts = np.bincount(y.astype(np.int64), minlength=target.n_classes)
    n_folds = max(2, min(n_folds, int(counts.max())))
    start = 0
    offset = 0
    for count in counts:
        rows = by_target[start : start + count]
        if count == 1:
            folds[rows] = -1
        elif count < n_folds:
            folds[rows] = 1 + np.arange(count) % (n_folds - 1)
        else:
            folds[rows] = (offset + np.arange(count)) % n_folds
            offset += int(count)
        start += int(count)
    return folds


def infer_target(codes_or_values: Array, classes: Sequence[Any] | NDArray[Any] | None) -> Target:
    """The kind of target: two classes, several, or a value."""
    if classes is None:
        return Target(TaskType.REGRESSION, 0)
    return Target(TaskType.BINARY if len(classes) == 2 else TaskType.MULTICLASS, len(classes))


def _leaks(task: Task) -> list[str]:
    """The columns that equal the target, or whose values are the classes one for one."""
    numeric = [column for column in task.schema.columns if column.kind is not Kind.CATEGORY]
    categorical = [column for column in task.schema.columns if column.kind is Kind.CATEGORY]
    columns = zip([*numeric, *categorical], [*task.inputs.numeric.T, *task.inputs.categorical.T], strict=True)
    if not task.target.task_type.is_classification:
        with np.errstate(over="ignore"):  # of a target beyond float32, which no column equals
            return [
                column.name for column, values in columns if np.array_equal(values, np.float32(task.y - column.origin))
            ]
    codes = task.y.astype(np.int64)
    first = np.unique(codes, return_index=True)[1]  # a row of each class
    return [
        column.name
        for column, values in columns
        if len(np.unique(values[first])) == len(first) and (values == values[first][codes]).all()
    ]


def _target_values(y: Any) -> NDArray[Any]:
    """A target as a one-dimensional numpy array without missing values."""
    if y is None:
        raise DataError("requires y to be passed, but the target y is None")
    if isinstance(y, pd.DataFrame) and y.shape[1] == 1:
        _warn_of_flattening()
        y = y.iloc[:, 0]
    elif not isinstance(y, pd.Series) and hasattr(y, "to_pandas"):  # polars, arrow
        y = y.to_pandas()
    values = _array_of_series(y) if isinstance(y, pd.Series) else _one_column(y)
    if len(values) == 0:
        raise DataError("Found array with 0 sample(s): y has no values")
    missing = np.flatnonzero(pd.isna(values))
    if len(missing):
        first = y.index[missing[0]] if isinstance(y, pd.Series) else missing[0]
        raise DataError(
            f"Input y contains NaN: {len(missing)} missing targets, the first at index {first}; drop these rows"
        )
    return values


def _array_of_series(y: pd.Series) -> NDArray[Any]:
    """In the numpy dtype nearest to that of the series; an object array where a value is missing."""
    if isinstance(y.dtype, pd.CategoricalDtype):
        y = y.astype(object if y.hasnans else y.cat.categories.dtype)
    values = y.to_numpy(object) if y.hasnans and pd.api.types.is_extension_array_dtype(y.dtype) else y.to_numpy()
    return np.asarray(values)


def _one_column(y: Any) -> NDArray[Any]:
    try:
        array = np.asarray(y)
    except ValueError as error:
        raise DataError(f"y must be one-dimensional: {error}") from error
    if array.dtype.kind == "U" and isinstance(y, (list, tuple)) and not all(isinstance(value, str) for value in y):
        array = np.asarray(y, dtype=object)  # numpy has made strings of numbers and of missing values
    if array.ndim == 2 and array.shape[1] == 1:
        _warn_of_flattening()
        array = array[:, 0]
    if array.ndim == 0:
        raise DataError(f"y should be a 1d array, got a {type(y).__name__}: pass the targets themselves")
    if array.ndim != 1:
        raise DataError(
            f"y should be a 1d array, got an array of shape {array.shape} instead; several targets at once are not "
            "supported"
        )
    if np.iscomplexobj(array):
        raise DataError("Complex data not supported: y")
    return array


def _warn_of_flattening() -> None:
    from sklearn.exceptions import DataConversionWarning

    warnings.warn(
        "A column-vector y was passed when a 1d array was expected; it is flattened",
        DataConversionWarning,
        stacklevel=5,
    )


def _odd_label(values: NDArray[Any]) -> object | None:
    """The first label of a kind that cannot be written down and come back as it was."""
    if values.dtype.kind in "biufUSmM":
        return None
    return next((value for value in values if not is_label(value)), None)
