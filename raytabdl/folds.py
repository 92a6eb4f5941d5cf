"""The folds of a task: those that were asked for, or as many as suit the rows and their targets."""

from __future__ import annotations

import numpy as np
import pandas as pd

from raytabdl.checks import MAX_PREDICTION_BYTES
from raytabdl.exceptions import DataError
from raytabdl.inputs import Array, Rows, Target
from raytabdl.validation import (
    MAX_VALIDATION_ROWS,
    TRAINED,
    Folds,
    Splitter,
    TimeOrder,
    Validation,
    group_partition,
    own_partition,
    partition,
)

N_LARGE = 5 * MAX_VALIDATION_ROWS
"""Above so many rows a fifth of them are too many to validate by."""

LEAST_VALIDATED = 50
"""Rows of a rare class that fold 0 is to have: the losses of fewer are mostly chance."""


def folds_of(y: Array, groups: Rows | None, target: Target, n_folds: int, rng: np.random.Generator) -> Folds:
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


def asked_folds(
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
