"""What is to be learned: encoded rows, the target, and one fixed partition into folds."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from raytabdl.exceptions import DataError
from raytabdl.inputs import Array, Inputs, Rows, Target, TaskType
from raytabdl.schema import Schema, infer_schema, to_frame

MAX_VALIDATION_ROWS = 20_000


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
    """The class codes of a target, and the classes. Raises DataError where a label is missing or one class is left."""
    from sklearn.utils.multiclass import check_classification_targets

    values = _target_values(y)
    try:
        check_classification_targets(values)
        classes, codes = np.unique(values, return_inverse=True)
    except TypeError as error:
        raise DataError(f"the labels of y cannot be sorted, since their types differ: {error}") from error
    if len(classes) < 2:
        raise DataError(f"y has one class only, {classes.tolist()}; a classifier needs at least 2 classes")
    return codes.astype(np.int64), Labels(classes)


def encode_values(y: Any) -> NDArray[np.float64]:
    """The target of a regression as float64. Raises DataError where a value is missing, infinite or no number."""
    values = _target_values(y)
    try:
        numbers = values.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(f"y must hold numbers for a regression: {error}") from error
    if np.isinf(numbers).any():
        raise DataError(
            f"y contains infinity: {int(np.isinf(numbers).sum())} rows, the first at position "
            f"{int(np.flatnonzero(np.isinf(numbers))[0])}"
        )
    return numbers


def make_task(X: Any, y: Any, target: Target, n_folds: int, rng: np.random.Generator) -> Task:
    """The task of a table and an encoded target."""
    frame = to_frame(X)
    schema = infer_schema(frame)
    if len(frame) != len(y):
        raise DataError(f"X and y have inconsistent numbers of samples: {len(frame)} rows and {len(y)} targets")
    if not schema.columns:
        warnings.warn(
            f"no usable features ({dict(schema.dropped)}); the model predicts the prior", UserWarning, stacklevel=3
        )
    n_folds = max(n_folds, -(-len(y) // MAX_VALIDATION_ROWS)) if len(y) > 5 * MAX_VALIDATION_ROWS else n_folds
    return Task(schema.encode(frame), y, target, schema, partition(y, target, n_folds, rng))


def partition(y: Array, target: Target, n_folds: int, rng: np.random.Generator) -> NDArray[np.int16]:
    """The fold of each row: every class, or every stretch of a sorted target, is spread evenly over the folds.

    The rows of a class with fewer rows than folds are spread over the folds after the first, and the only
    row of a class gets fold -1.
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


def infer_target(codes_or_values: Array, classes: Sequence[Any] | None) -> Target:
    """The kind of target: two classes, several, or a value."""
    if classes is None:
        return Target(TaskType.REGRESSION, 0)
    return Target(TaskType.BINARY if len(classes) == 2 else TaskType.MULTICLASS, len(classes))


def _target_values(y: Any) -> NDArray[Any]:
    """A target as a one-dimensional numpy array without missing values."""
    if y is None:
        raise DataError("requires y to be passed, but the target y is None")
    if not isinstance(y, (pd.Series, pd.DataFrame, np.ndarray, list, tuple)) and hasattr(y, "to_numpy"):
        y = y.to_numpy()
    if isinstance(y, pd.Series):
        series = y
    else:
        array = np.asarray(y)
        if array.ndim == 2 and array.shape[1] == 1:
            from sklearn.exceptions import DataConversionWarning

            warnings.warn(
                "A column-vector y was passed when a 1d array was expected; it is flattened",
                DataConversionWarning,
                stacklevel=4,
            )
            array = array[:, 0]
        if array.ndim != 1:
            raise DataError(
                f"y should be a 1d array, got an array of shape {array.shape} instead; "
                "several targets at once are not supported"
            )
        if np.iscomplexobj(array):
            raise DataError("Complex data not supported: y")
        series = pd.Series(array)
    missing = series.isna().to_numpy()
    if missing.any():
        raise DataError(
            f"Input y contains NaN: {int(missing.sum())} missing targets, the first at index "
            f"{series.index[missing][0]!r}; drop these rows"
        )
    if isinstance(series.dtype, pd.CategoricalDtype):
        series = series.astype(series.cat.categories.dtype)
    values = series.to_numpy()
    if values.dtype == object and pd.api.types.is_integer_dtype(series.dtype):
        values = values.astype(np.int64)
    if pd.api.types.is_extension_array_dtype(series.dtype) and values.dtype == object:
        values = np.asarray(series.tolist())
    return values
