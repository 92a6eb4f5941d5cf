"""What is to be learned: encoded rows, the target, and one fixed partition into folds."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from raytabdl.checks import check_memory, check_size
from raytabdl.exceptions import DataError
from raytabdl.folds import N_LARGE, asked_folds, folds_of
from raytabdl.frames import to_frame, with_categories
from raytabdl.inputs import Array, Error, Inputs, Rows, Target, Truth
from raytabdl.schema import Kind, Schema, infer_schema, row_numbers, without_twins
from raytabdl.targets import encode_further
from raytabdl.validation import TRAINED, UNUSED, Folds, TimeOrder, Validation, group_codes

_FEW_VALIDATED, _MANY_ROWS = 20, 10_000
"""Of one of two classes so few rows in fold 0 are warned of, where the table has so many that nobody expects it."""


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
            folds = asked_folds(validation, frame, y, codes, kept, n_rows)
        else:
            folds = folds_of(y, None if codes is None else codes[kept], target, n_folds, rng)
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
