"""Which rows are trained on and which are validated by: partitions into folds, by targets, groups, time or one's own.

A partition gives each row the fold that it is validated in; ``TRAINED`` rows belong to every training part, ``UNUSED``
ones to neither part.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from raytabdl.exceptions import DataError, SettingError
from raytabdl.inputs import Array, Rows, Target
from raytabdl.texts import NUMBER, form_of, read_numbers
from raytabdl.values import of_texts

TRAINED, UNUSED = -1, -2
MAX_VALIDATION_ROWS = 20_000

LEAST_TRAINED = 0.75
"""Of the rows that the largest training part has: models of smaller ones would be worse, and predict along."""

_N_STRETCHES = 10
"""Of a sorted target, which groups are spread over the folds by."""

Folds = NDArray[np.int16]
Pair = tuple[Any, Any]
"""The indices of the rows that are trained on, and of those that are validated by."""


@runtime_checkable
class Splitter(Protocol):
    """A splitter of scikit-learn: ``KFold``, ``GroupKFold``, ``PredefinedSplit`` and their like."""

    def split(self, X: Any, y: Any, groups: Any) -> Iterable[Pair]: ...


@dataclass(frozen=True)
class TimeOrder:
    """Validation by the latest rows, of models that are trained on those before them.

    The rows are in the order of time, or in that of ``column``, a column of the table with numbers, dates, strings of
    either, or strings whose order is that of time; rows of one time are on the same side. ``share`` of the rows are
    validated by, at most 20,000. There is one fold: models that end earlier would not know what is latest.

    >>> from raytabdl import TabularRegressor, TimeOrder
    >>> reg = TabularRegressor(60, validation=TimeOrder("date"))
    """

    column: str | None = None
    share: float = 0.2

    def __post_init__(self) -> None:
        if not 0 < self.share < 1:
            raise SettingError(f"share must be between 0 and 1, got {self.share!r}")

    def partition(self, frame: pd.DataFrame) -> Folds:
        """The latest rows are fold 0, the others are trained on."""
        times: Rows = np.arange(len(frame)) if self.column is None else _times(frame, self.column)
        n_valid = min(max(1, round(self.share * len(times))), MAX_VALIDATION_ROWS)
        is_valid: NDArray[np.bool_] = times >= np.sort(times)[-n_valid]
        if is_valid.all():
            is_valid = times > times.min()
        if not is_valid.any():
            raise DataError(f"all {len(times)} rows are of one time, by column {self.column!r}; two are needed")
        return np.where(is_valid, 0, TRAINED).astype(np.int16)


Validation = TimeOrder | Splitter | Iterable[Pair]
"""Where a fit takes its folds from, if not from the targets."""


def check_parts(validation: object, groups: Any, X_valid: Any, y_valid: Any) -> None:
    """Raises SettingError where a fit is told of its parts in two ways, or in none that there is."""
    is_known = validation is None or isinstance(validation, (TimeOrder, Splitter, Iterable))
    if isinstance(validation, str) or not is_known:  # a string has a method split
        raise SettingError(
            "validation must be TimeOrder(), a splitter of scikit-learn or a list of (training rows, validation rows), "
            f"got {validation!r}"
        )
    if (X_valid is None) != (y_valid is None):
        raise SettingError("X_valid and y_valid go together: give both or none")
    if X_valid is not None and not (validation is None and groups is None):
        raise SettingError("X_valid is what is validated by: with it there must be neither groups nor validation")
    if groups is not None and validation is not None and not isinstance(validation, Splitter):
        raise SettingError("groups and validation both say which rows belong together: leave one of them out")


def partition(y: Array, target: Target, n_folds: int, rng: np.random.Generator) -> Folds:
    """The fold of each row: every class, or every stretch of a sorted target, is spread evenly over the folds.

    There are fewer folds where no class has that many rows. The rows of a class with fewer rows than folds are
    spread over the folds after the first, or of one of two classes over all: without it fold 0 could not tell models
    apart. The only row of a class is always trained on.
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
            folds[rows] = TRAINED
        elif count < n_folds:
            folds[rows] = np.arange(count) if target.n_classes == 2 else 1 + np.arange(count) % (n_folds - 1)
        else:
            folds[rows] = (offset + np.arange(count)) % n_folds
            offset += int(count)
        start += int(count)
    return folds


def group_partition(y: Array, groups: Rows, target: Target, n_folds: int, rng: np.random.Generator) -> Folds:
    """The fold of each row, that of its group: folds are alike in size and in classes, or stretches of the target.

    ``groups`` are codes from 0 on. The largest groups come first, each to the fold that has least of what the group
    has. There are fewer folds where there are fewer groups; a group that has a class for itself is always trained on.
    Fold 0, which models are compared by, is the one whose share of the rows is nearest to 1 / n_folds, of two that are
    as near the smaller one: the largest group may have most of the rows.
    """
    n_groups = int(groups.max()) + 1
    strata = _strata(y, target)
    counts = np.zeros((n_groups, int(strata.max()) + 1))
    np.add.at(counts, (groups, strata), 1)
    is_in_one = (counts > 0).sum(axis=0) == 1
    is_alone = np.asarray(counts[:, is_in_one].any(axis=1) & target.task_type.is_classification, bool)
    n_folds = min(n_folds, int((~is_alone).sum()))
    if n_folds < 1 or n_groups < 2:
        raise DataError(
            f"groups must leave some to validate by: there are {n_groups}, of which {int(is_alone.sum())} have a class "
            "for themselves; fit without groups, or give X_valid and y_valid"
        )
    shares = np.column_stack([counts, counts.sum(axis=1)]) / np.maximum([*counts.sum(axis=0), counts.sum()], 1)
    held = np.zeros((n_folds, shares.shape[1]))
    folds = np.full(n_groups, TRAINED, np.int16)
    shuffled = rng.permutation(n_groups)
    for group in shuffled[np.argsort(-counts.sum(axis=1)[shuffled], kind="stable")]:
        if not is_alone[group]:
            # The sum of the squared shares of all folds grows least, and most for a fold that is as good as full.
            folds[group] = np.argmin(held @ shares[group])
            held[folds[group]] += shares[group]
    of_rows = _nearest_first(folds[groups], n_folds)
    _warn_of_little_training(of_rows, n_folds)
    return of_rows


def _nearest_first(folds: Folds, n_folds: int) -> Folds:
    """The folds with the one of the most usual size as fold 0, which takes the place of the one that was."""
    sizes = np.bincount(folds[folds >= 0], minlength=n_folds)
    first = min(range(n_folds), key=lambda fold: (abs(int(sizes[fold]) * n_folds - len(folds)), sizes[fold]))
    return np.where(folds == first, 0, np.where(folds == 0, first, folds)).astype(np.int16)


def _warn_of_little_training(folds: Folds, n_folds: int) -> None:
    """Where groups are so large that what is left is much less to train on than for other folds."""
    n_trained = len(folds) - np.bincount(folds[folds >= 0], minlength=n_folds)
    is_short = n_trained < LEAST_TRAINED * n_trained.max()
    if is_short.any():
        of_first = f"; fold 0, which models are compared by, trains on {n_trained[0]}" if is_short[0] else ""
        warnings.warn(
            f"groups are of very different size: {int(is_short.sum())} of {n_folds} folds train on less than "
            f"{LEAST_TRAINED:.0%} of the rows that the largest trains on, {n_trained.max()}, and the models of all "
            f"folds predict together{of_first}; divide the largest group, or give X_valid and y_valid",
            stacklevel=5,
        )


def own_partition(pairs: Iterable[Pair], n_rows: int) -> Folds:
    """A line for each fold of one's own, (n_folds, n_rows), the one that trains on most rows first.

    Raises DataError where a pair has rows that do not exist, rows in both parts, or a part without rows.
    """
    lines = [_line(pair, i, n_rows) for i, pair in enumerate(pairs)]
    if not lines:
        raise DataError("validation must give at least one pair of training and validation rows, got none")
    n_trained = np.array([int((line == TRAINED).sum()) for line in lines])
    order = np.argsort(-n_trained, kind="stable")
    kept = order[n_trained[order] >= LEAST_TRAINED * n_trained.max()]
    if len(kept) < len(lines):
        warnings.warn(
            f"{len(lines) - len(kept)} of {len(lines)} folds are left out: they train on less than {LEAST_TRAINED:.0%} "
            f"of the rows that the largest trains on, {n_trained.max()}, and the models of all folds predict together",
            stacklevel=4,
        )
    return np.stack([np.where(lines[i] == 0, fold, lines[i]) for fold, i in enumerate(kept)]).astype(np.int16)


def group_codes(groups: Any, n_rows: int) -> Rows:
    """The group of each row as codes from 0 on. Raises DataError where the groups do not fit the rows."""
    values = np.asarray(groups)
    if values.shape != (n_rows,):
        raise DataError(f"groups must have a group for each of the {n_rows} rows, got an array of shape {values.shape}")
    codes, _ = pd.factorize(values)
    missing = np.flatnonzero(codes < 0)
    if len(missing):
        raise DataError(f"groups has {len(missing)} missing values, the first at position {missing[0]}; name a group")
    return np.asarray(codes, np.int64)


def _strata(y: Array, target: Target) -> Rows:
    """What groups are to have evenly: the classes, or stretches of the sorted target."""
    if target.task_type.is_classification:
        return y.astype(np.int64)
    return np.asarray(np.argsort(np.argsort(y, kind="stable")) * _N_STRETCHES // len(y), np.int64)


def _times(frame: pd.DataFrame, column: str) -> Rows:
    """The times of a column in their order, from 0 on."""
    if column not in frame.columns:
        raise DataError(f"validation goes by column {column!r}, which X does not have; it has {list(frame.columns)}")
    try:
        codes, _ = pd.factorize(_readable(frame[column], column), sort=True)
    except TypeError as error:
        raise DataError(f"column {column!r} must have an order to go by: {error}") from error
    missing = np.flatnonzero(codes < 0)
    if len(missing):
        raise DataError(
            f"column {column!r} has no time in {len(missing)} rows, the first at position {missing[0]}; drop these rows"
        )
    return np.asarray(codes, np.int64)


def _readable(times: pd.Series, column: str) -> pd.Series:
    """Strings that are numbers or dates as these: the order of their letters is another."""
    texts = times.dropna().astype(object)
    if not len(texts) or not all(isinstance(text, str) for text in texts.head(1_000)):
        return times
    if not np.isnan(read_numbers(texts.unique().tolist())).any():
        return pd.Series(of_texts(times, NUMBER, column))
    form = form_of(texts.astype(str).unique().tolist())
    return pd.Series(of_texts(times, form, column)) if form else times


def _line(pair: Pair, i: int, n_rows: int) -> Folds:
    """What the rows are to one fold: 0 where it is validated by them, else ``TRAINED`` or ``UNUSED``."""
    try:
        train, valid = (np.asarray(rows) for rows in pair)
    except (TypeError, ValueError) as error:
        raise DataError(f"fold {i} of validation must be a pair of training and validation rows: {error}") from error
    line = np.full(n_rows, UNUSED, np.int16)
    for name, rows, value in (("training", train, TRAINED), ("validation", valid, 0)):
        if rows.ndim != 1 or len(rows) == 0 or rows.dtype.kind not in "iu":
            raise DataError(
                f"the {name} rows of fold {i} of validation must be a list of positions, with one at least, got "
                f"{rows.dtype} of shape {rows.shape}"
            )
        if rows.min() < 0 or rows.max() >= n_rows:
            raise DataError(
                f"the {name} rows of fold {i} of validation must be from 0 to {n_rows - 1}, got {rows.min()} to "
                f"{rows.max()}"
            )
        if value == 0 and (n_both := int((line[rows] == TRAINED).sum())):
            raise DataError(f"fold {i} of validation has {n_both} rows in both parts; take them out of one")
        line[rows] = value
    return line
