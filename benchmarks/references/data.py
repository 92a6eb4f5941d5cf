"""Ten tables, and the rows that a model and its reference are both trained and scored on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.model_selection import train_test_split

from benchmarks.compare.tables import load
from raytabdl.inputs import Target, TaskType

TABLES = (
    *("phoneme", "credit_data", "adult", "bank-marketing"),
    *("nursery", "satimage", "covertype"),
    *("cpu_act", "diamonds", "house_16H"),
)
"""Four binary, three of several classes and three regressions, with numbers, categories, and both.

Each has rows enough for a test part beside which the noise of three seeds is the larger part.
"""

N_TRAIN, N_VALID, MAX_TEST = 2_000, 1_000, 4_000
_LEAST_OF_CLASS = 20


@dataclass(frozen=True)
class Part:
    """Rows with their targets: class codes, or values in deviations of the training part."""

    X: pd.DataFrame
    y: NDArray[Any]


@dataclass(frozen=True)
class Data:
    """A split of a table. No value is missing, since the references take none."""

    target: Target
    train: Part
    valid: Part
    test: Part

    def loss(self, predictions: NDArray[Any], part: Part) -> float:
        """The log loss, or the root of the mean squared error."""
        if not self.target.task_type.is_classification:
            return float(np.sqrt(np.square(predictions - part.y).mean()))
        return float(-np.log(np.maximum(predictions[np.arange(len(part.y)), part.y], 1e-7)).mean())


def read(name: str, seed: int) -> Data:
    """The split follows from the seed, and keeps the shares of the classes."""
    table = load(name)
    frame, is_regression = table.frame, table.task == "regression"
    if not is_regression:
        frame = frame[frame.groupby(table.target)[table.target].transform("size") >= _LEAST_OF_CLASS]
    y = (
        frame[table.target].to_numpy(np.float64)
        if is_regression
        else np.unique(frame[table.target], return_inverse=True)[1]
    )
    X = without_missing(frame.drop(columns=table.target))
    sizes = (N_TRAIN, N_VALID, min(MAX_TEST, len(frame) - N_TRAIN - N_VALID))
    parts = _parts(y, sizes, seed, is_stratified=not is_regression)
    if is_regression:
        y = (y - y[parts[0]].mean()) / y[parts[0]].std()
        target = Target(TaskType.REGRESSION, 0)
    else:
        n_classes = int(y.max()) + 1
        target = Target(TaskType.BINARY if n_classes == 2 else TaskType.MULTICLASS, n_classes)
    return Data(target, *(Part(X.iloc[rows].reset_index(drop=True), y[rows]) for rows in parts))


def _parts(y: NDArray[Any], sizes: tuple[int, ...], seed: int, is_stratified: bool) -> list[NDArray[np.int64]]:
    left, parts = np.arange(len(y)), []
    for size in sizes[:-1]:
        part, left = train_test_split(
            left, train_size=size, random_state=seed, stratify=y[left] if is_stratified else None
        )
        parts.append(part)
    return [*parts, np.random.default_rng(seed).permutation(left)[: sizes[-1]]]


def without_missing(X: pd.DataFrame) -> pd.DataFrame:
    """Medians and a level of its own in the place of what is missing; categories as text."""
    columns = {
        name: column.fillna(column.median()).astype(np.float64)
        if pd.api.types.is_numeric_dtype(column)
        else column.astype(object).where(column.notna(), "missing").astype(str)
        for name, column in X.items()
    }
    return pd.DataFrame(columns)
