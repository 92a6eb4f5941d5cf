"""Targets as they are learned: class codes with their classes, or numbers; and which of the two a target is."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from raytabdl.exceptions import DataError
from raytabdl.inputs import Array, Target, TaskType
from raytabdl.labels import array_of_objects, is_label

MAX_CLASSES = 20
"""A target with more distinct whole numbers is taken for a regression."""

_LARGEST_TARGET = 1e150
"""The squares of larger values are no float64."""


def encode_labels(y: Any) -> tuple[NDArray[np.int64], NDArray[Any]]:
    """The class codes of a target, and the classes as the user gave them: sorted, in their own dtype.

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
    return codes.astype(np.int64), classes


def encode_values(y: Any) -> NDArray[np.float64]:
    """The target of a regression as float64. Raises DataError where a value is missing, infinite or no number."""
    numbers = _numbers(y)
    if (numbers == numbers[0]).all():
        warnings.warn(f"y is {numbers[0]} in every row, and so is every prediction", stacklevel=2)
    return numbers


def encode_further(y: Any, classes: NDArray[Any] | None, name: str) -> Array:
    """The targets of further rows as those of training were encoded; without classes they are numbers.

    Raises DataError, with the ``name`` of the argument, where a label is none of the classes.
    """
    if classes is None:
        return _numbers(y)
    labels = _target_values(y).tolist()
    code_of = {label: code for code, label in enumerate(classes.tolist())}
    if unknown := set(labels) - set(code_of):
        raise DataError(
            f"{name} holds {len(unknown)} labels that y does not, among them {next(iter(unknown))!r}; leave these rows "
            "out, or have some in X and y"
        )
    return np.array([code_of[label] for label in labels], np.int64)  # type: ignore[return-value]


def _numbers(y: Any) -> NDArray[np.float64]:
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
    return numbers


def infer_target(classes: Sequence[Any] | NDArray[Any] | None) -> Target:
    """The kind of target: two classes, several, or a value."""
    if classes is None:
        return Target(TaskType.REGRESSION, 0)
    return Target(TaskType.BINARY if len(classes) == 2 else TaskType.MULTICLASS, len(classes))


def infer_kind(y: pd.Series) -> tuple[str, str]:
    """Classification or regression, and what in the values, none of them missing, says so."""
    dtype = pd.api.types.infer_dtype(y)
    if dtype not in ("integer", "floating", "mixed-integer-float", "decimal"):
        return "classification", f"values of the kind {dtype}"
    numbers = y.astype(float)
    if not (numbers % 1 == 0).all():
        return "regression", "fractions"
    n_distinct = numbers.nunique()
    if n_distinct > MAX_CLASSES:
        return "regression", f"{n_distinct} distinct whole numbers, more than {MAX_CLASSES}"
    return "classification", f"{n_distinct} distinct whole numbers, at most {MAX_CLASSES}"


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
