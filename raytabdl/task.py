"""What is to be learned: encoded rows, the target, and one fixed partition into folds."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from raytabdl.checks import MAX_PREDICTION_BYTES, check_memory, check_size
from raytabdl.exceptions import DataError
from raytabdl.frames import to_frame, with_categories
from raytabdl.inputs import Array, Error, Inputs, Rows, Target, TaskType, Truth
from raytabdl.labels import array_of_objects, is_label
from raytabdl.schema import Kind, Schema, infer_schema, row_numbers, without_twins
from raytabdl.validation import (
    MAX_VALIDATION_ROWS,
    TRAINED,
    UNUSED,
    Folds,
    Splitter,
    TimeOrder,
    Validation,
    group_codes,
    group_partition,
    own_partition,
    partition,
)

MAX_CLASSES = 20
"""A target with more distinct whole numbers is taken for a regression."""

LEAST_OF_CLASS = 10
"""Rows that a class keeps in a subsample, where it has them: with folds of a test set and of the training apart."""

N_LARGE = 5 * MAX_VALIDATION_ROWS
"""Above so many rows a fifth of them are too many to validate by."""

LEAST_VALIDATED = 50
"""Rows of a rare class that fold 0 is to have: the losses of fewer are mostly chance."""

_FEW_VALIDATED, _MANY_ROWS = 20, 10_000
"""Of one of two classes so few rows in fold 0 are warned of, where the table has so many that nobody expects it."""

_LARGEST_TARGET = 1e150
"""The squares of larger values are no float64."""


@dataclass(frozen=True)
class Task:
    """A table to learn from, fixed for the whole run.

    ``y`` holds class codes (int64) or values (float64). ``folds``, (n,), gives each row's fold, or says that it is in
    every training part: the only row of a class must not be missing from it. Where it is (n_lines, n), a fold is
    validated and trained by the rows of the line that it is in: folds of one's own may overlap, and leave rows out.
    """

    inputs: Inputs
    y: Array
    target: Target
    schema: Schema
    folds: Folds

    @property
    def n_folds(self) -> int:
        return max(1, int(self.folds.max()) + 1)

    @cached_property
    def content(self) -> str:
        """A hash of all that is learned from: rows, targets and folds."""
        # Not the error: folds are prepared whatever is made small, and studies know a table by what they noted of it.
        target = f"Target(task_type={self.target.task_type!r}, n_classes={self.target.n_classes})"
        digest = hashlib.sha256(f"{target} {self.inputs.cardinalities}".encode())
        weights = () if self.inputs.weights is None else (self.inputs.weights,)
        for array in (self.inputs.numeric, self.inputs.categorical, self.y, self.folds, *weights):
            digest.update(f"{array.dtype} {array.shape}".encode())
            digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()

    def with_error(self, error: Error) -> Task:
        """The same, where models of a regression make that error small; of classes there is none."""
        if self.target.task_type.is_classification:
            return self
        return replace(self, target=replace(self.target, error=error))

    def split(self, fold: int) -> tuple[Rows, Rows]:
        """The training and the validation rows of a fold; all rows for both where one would be empty."""
        lines = np.atleast_2d(self.folds)
        line = lines[(lines == fold).any(axis=1).argmax()]
        train, valid = np.flatnonzero((line != fold) & (line != UNUSED)), np.flatnonzero(line == fold)
        if len(train) == 0 or len(valid) == 0:
            everything = np.arange(len(self.y))
            return everything, everything
        return train, valid

    @property
    def is_large(self) -> bool:
        """Whether a fifth of its rows are too many to validate by, and the models of all folds cost too much."""
        return self.folds.ndim == 1 and len(self.y) > N_LARGE

    def n_valid(self) -> list[int]:
        """The number of validation rows of each fold, counted at once: large tables have many folds."""
        if self.n_folds == 1 or self.folds.ndim > 1:
            return [len(self.split(fold)[1]) for fold in range(self.n_folds)]
        counts: list[int] = np.bincount(self.folds[self.folds >= 0], minlength=self.n_folds).tolist()
        return counts

    def truths(self) -> list[Truth]:
        """That of each fold that models may be trained for: of a large table fold 0 alone."""
        return [self.truth(fold) for fold in range(1 if self.is_large else self.n_folds)]

    def truth(self, fold: int) -> Truth:
        """What predictions of the validation rows of a fold are compared with."""
        rows = self.split(fold)[1]
        return Truth(self.y[rows], None if self.inputs.weights is None else self.inputs.weights[rows])


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


def make_task(
    X: Any,
    y: Any,
    target: Target,
    n_folds: int,
    rng: np.random.Generator,
    *,
    sample_weight: Any = None,
    groups: Any = None,
    validation: Validation | None = None,
    holdout: tuple[Any, Any] | None = None,
    categorical: Sequence[str] = (),
) -> Task:
    """The task of a table and an encoded target, divided into about ``n_folds`` folds unless told otherwise.

    Rows of weight 0 are left out, as if they were not there. ``holdout`` is another table and its encoded target to
    validate by; ``categorical`` are columns whose numbers or strings are names of categories.
    """
    frame = with_categories(to_frame(X), categorical)
    check_memory(*frame.shape)
    n_rows = len(frame)
    weights = None if sample_weight is None else _row_weights(sample_weight, n_rows)
    kept = np.arange(n_rows) if weights is None else np.flatnonzero(weights)
    if len(kept) < n_rows:
        frame = frame.iloc[kept]
    schema = infer_schema(frame, validation.column if isinstance(validation, TimeOrder) else None)
    if n_rows != len(y):
        raise DataError(f"X and y have inconsistent numbers of samples: {n_rows} rows and {len(y)} targets")
    y = y[kept]
    if len(kept) < n_rows and target.task_type.is_classification and len(np.unique(y)) < 2:
        raise DataError("sample_weight leaves rows of one class only; a classifier needs at least 2 classes")
    if not schema.columns:
        warnings.warn(f"no usable features ({dict(schema.dropped)}); the model predicts the prior", stacklevel=3)
    check_memory(len(frame), len(schema.columns))  # a text has become many columns
    schema, inputs = without_twins(schema, schema.encode(frame))
    if weights is not None:
        inputs = replace(inputs, weights=weights[kept] / weights[kept].mean())
    if holdout is not None:
        task = _held_out(Task(inputs, y, target, schema, np.full(len(y), TRAINED, np.int16)), *holdout)
    else:
        codes = None if groups is None else group_codes(groups, n_rows)
        if validation is not None:
            folds = _asked(validation, frame, y, codes, kept, n_rows)
        else:
            folds = _folds(y, None if codes is None else codes[kept], target, n_folds, rng)
        task = Task(inputs, y, target, schema, folds)
    check_size(len(task.y), task.n_valid(), target)
    if target.task_type.is_classification:
        _warn_of_few_validated(task)
    if not isinstance(validation, TimeOrder) and (numbers := row_numbers(schema, frame)):
        warnings.warn(
            f"columns that count the rows: {numbers}; drop them from X, unless the order of the rows is that of time",
            stacklevel=3,
        )
    if leaks := _leaks(task):
        warnings.warn(f"columns that are the target under another name: {leaks}; drop them from X", stacklevel=3)
    return task


def further_rows(
    X: Any, y: Any, schema: Schema, classes: NDArray[Any] | None, sample_weight: Any = None
) -> tuple[Inputs, Array]:
    """Another table and its target, encoded as those of a run were; rows of weight 0 are left out.

    Raises DataError where they do not fit those, or cannot be learned from.
    """
    inputs, targets = schema.encode(X), encode_further(y, classes, "the new y")
    if len(inputs) != len(targets):
        raise DataError(f"X and y have inconsistent numbers of samples: {len(inputs)} rows and {len(targets)} targets")
    if sample_weight is not None:
        weights = _row_weights(sample_weight, len(inputs))
        kept = np.flatnonzero(weights)
        inputs, targets = inputs.take(kept), targets[kept]
        inputs = replace(inputs, weights=weights[kept] / weights[kept].mean())
    if len(inputs) < 2:
        raise DataError(f"X must have at least 2 rows to learn from, got {len(inputs)}")
    if classes is not None and (codes := np.unique(targets)).size < 2:
        raise DataError(f"y has one class only, {classes[codes.astype(np.int64)].tolist()}; give rows of others too")
    return inputs, targets


def _warn_of_few_validated(task: Task) -> None:
    """Where fold 0 has too few rows of some class to tell models apart."""
    counts = np.bincount(task.truth(0).y.astype(np.int64), minlength=task.target.n_classes)
    if np.count_nonzero(counts) < 2:
        warnings.warn(
            "all rows that models are compared by are of one class, so that hardly a metric tells a good model from a "
            "bad one; have more rows of the others, or other validation rows",
            stacklevel=4,
        )
    elif len(counts) == 2 and counts.min() < _FEW_VALIDATED and len(task.y) > _MANY_ROWS:
        warnings.warn(
            f"models are compared by {counts.sum():,} rows, of which {counts.min()} are of the rarer class: which of "
            "two is better is mostly chance; have more rows of this class, or other validation rows",
            stacklevel=4,
        )


def _row_weights(sample_weight: Any, n_rows: int) -> NDArray[np.float64]:
    """Weights as float64. Raises DataError where they do not fit the rows, are no numbers, negative or all zero."""
    try:
        weights = np.asarray(sample_weight, np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(f"sample_weight must hold numbers: {error}") from error
    if weights.shape != (n_rows,):
        raise DataError(f"sample_weight must have a weight for each of the {n_rows} rows, got shape {weights.shape}")
    for what, is_bad in (("missing or infinite", ~np.isfinite(weights)), ("negative", weights < 0)):
        if is_bad.any():
            raise DataError(
                f"sample_weight has {int(is_bad.sum())} {what} values, the first at position {int(is_bad.argmax())}; "
                "give these rows 0 or drop them"
            )
    if n_rows and not weights.any():
        raise DataError("sample_weight is zero in every row; at least 2 rows need a weight above 0")
    return weights


def _folds(y: Array, groups: Rows | None, target: Target, n_folds: int, rng: np.random.Generator) -> Folds:
    """Folds by the targets, and by groups where there are any."""
    n_folds = _n_folds(y, target, n_folds)
    if groups is None:
        return partition(y, target, n_folds, rng)
    return group_partition(y, np.unique(groups, return_inverse=True)[1], target, n_folds, rng)


def _n_folds(y: Array, target: Target, n_folds: int) -> int:
    """``n_folds``, or more of a large table: a fold of ``MAX_VALIDATION_ROWS`` bounds the time of an evaluation.

    Time gives way to the rarer of two classes, which is to have ``LEAST_VALIDATED`` rows in a fold, or as many as
    ``n_folds`` leave it. Of several classes it does so to the rarest that can have them: for a class of a few rows all
    others would be evaluated many times as long, for a row or two of its own. Rare classes give way to memory.
    """
    if len(y) <= N_LARGE:
        return n_folds
    most = -(-len(y) // MAX_VALIDATION_ROWS)
    if target.task_type.is_classification:
        counts = np.bincount(y.astype(np.int64))
        is_asked = counts >= (1 if target.n_classes == 2 else LEAST_VALIDATED * n_folds)
        by_class = int(counts.min(where=is_asked, initial=len(y))) // LEAST_VALIDATED
        # Half of what they may take, since the folds that rare classes are in are larger than others.
        by_memory = 1 + 2 * len(y) * target.n_classes * 8 // MAX_PREDICTION_BYTES
        most = min(most, max(by_class, by_memory))
    return max(n_folds, most)


def _asked(
    validation: Validation, frame: pd.DataFrame, y: Array, groups: Rows | None, kept: Rows, n_rows: int
) -> Folds:
    """The folds that a user asked for; a list of pairs names rows as they were before those of weight 0 were left out.

    Raises DataError where they cannot be made of the rows.
    """
    if isinstance(validation, Splitter):
        own = None if groups is None else groups[kept]
        try:
            pairs = list(validation.split(frame, y, own))
        except (TypeError, ValueError) as error:
            raise DataError(f"validation cannot split the {len(y)} rows: {error}") from error
        return own_partition(pairs, len(y))
    if isinstance(validation, TimeOrder):
        return validation.partition(frame)
    folds = own_partition(validation, n_rows)[:, kept]
    for part, value in (("training", TRAINED), ("validation", np.arange(len(folds))[:, None])):
        if not (folds == value).any(axis=1).all():
            raise DataError(f"sample_weight is zero in all {part} rows of a fold of validation; leave the fold out")
    return folds


def _held_out(task: Task, X_valid: Any, y_valid: Any) -> Task:
    """The task with the rows of another table behind its own, of weight 1, which are fold 0."""
    try:
        inputs = task.schema.encode(X_valid)
    except DataError as error:
        raise DataError(f"X_valid does not fit X: {error}") from error
    if len(inputs) != len(y_valid) or len(inputs) == 0:
        raise DataError(
            f"X_valid and y_valid must have as many rows, at least 1, got {len(inputs)} rows and {len(y_valid)} targets"
        )
    own, n_valid = task.inputs, len(inputs)
    together = replace(
        own,
        numeric=np.concatenate([own.numeric, inputs.numeric]),
        categorical=np.concatenate([own.categorical, inputs.categorical]),
        weights=None if own.weights is None else np.concatenate([own.weights, np.ones(n_valid)]),
    )
    folds = np.concatenate([task.folds, np.zeros(n_valid, np.int16)])
    return replace(task, inputs=together, y=np.concatenate([task.y, y_valid]), folds=folds)


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


def subsample(y: Array, target: Target, n_rows: int, rng: np.random.Generator) -> Rows:
    """About so many random rows, sorted: of each class its share, and ``LEAST_OF_CLASS`` rows where it has as many."""
    if n_rows >= len(y):
        return np.arange(len(y))
    shuffled = rng.permutation(len(y))
    if not target.task_type.is_classification:
        return np.sort(shuffled[:n_rows])
    codes = y[shuffled].astype(np.int64)
    counts = np.bincount(codes, minlength=target.n_classes)
    wanted = np.minimum(counts, np.maximum(np.round(counts * n_rows / len(y)), LEAST_OF_CLASS).astype(np.int64))
    # Counted within each class, in shuffled order, a row has a rank below the number that is wanted of its class.
    by_class = np.argsort(codes, kind="stable")
    ranks = np.empty(len(y), np.int64)
    ranks[by_class] = np.arange(len(y)) - np.repeat(np.cumsum(counts) - counts, counts)
    return np.sort(shuffled[ranks < wanted[codes]])


def _leaks(task: Task) -> list[str]:
    """The columns that equal the target, or whose values are the classes one for one."""
    numeric = [column for column in task.schema.columns if column.kind is not Kind.CATEGORY]
    categorical = [column for column in task.schema.columns if column.kind is Kind.CATEGORY]
    columns = zip([*numeric, *categorical], [*task.inputs.numeric.T, *task.inputs.categorical.T], strict=True)
    if not task.target.task_type.is_classification:
        with np.errstate(over="ignore"):  # of a target beyond float32, which no column equals
            return [
                column.label for column, values in columns if np.array_equal(values, np.float32(task.y - column.origin))
            ]
    codes = task.y.astype(np.int64)
    # A row of each class that has rows, and which of them each row belongs to.
    _, first, place = np.unique(codes, return_index=True, return_inverse=True)
    return [
        column.label
        for column, values in columns
        if len(np.unique(values[first])) == len(first) and (values == values[first][place]).all()
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
