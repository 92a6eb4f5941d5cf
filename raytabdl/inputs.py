"""What every model is handed: encoded rows, and the kind of target to predict."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64] | NDArray[np.float32]
Rows = NDArray[np.int64]
Weights = NDArray[np.float64] | None
"""How much each row counts, of shape (n,); None where all count the same."""

M = TypeVar("M")


class TaskType(Enum):
    """The three kinds of target."""

    BINARY = "binary"
    MULTICLASS = "multiclass"
    REGRESSION = "regression"

    @property
    def is_classification(self) -> bool:
        return self is not TaskType.REGRESSION


class Error(Enum):
    """What models of a regression make small: squared errors, absolute ones, or squared errors of log(1 + target).

    For the last they are handed these logarithms, whose squared errors they make small.
    """

    SQUARED = "squared"
    ABSOLUTE = "absolute"
    LOGARITHMIC = "logarithmic"


@dataclass(frozen=True)
class Inputs:
    """Encoded rows of a table.

    ``numeric`` is float32 of shape (n, d_num), NaN where a value is missing. ``categorical`` is int32 of
    shape (n, d_cat); column j holds codes below ``cardinalities[j]``, and code 0 is the level of
    categories that were not seen when the schema was made. ``weights``, (n,), say how much each row counts when
    something is trained on the rows or validated by them: about 1 on average, and None where all count the same.
    """

    numeric: NDArray[np.float32]
    categorical: NDArray[np.int32]
    cardinalities: tuple[int, ...]
    weights: Weights = None
    _made: dict[Callable[[Inputs], Any], Any] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __len__(self) -> int:
        return len(self.numeric)

    @property
    def n_columns(self) -> int:
        return int(self.numeric.shape[1]) + len(self.cardinalities)

    @property
    def n_bytes(self) -> int:
        return self.numeric.nbytes + self.categorical.nbytes

    def once(self, make: Callable[[Inputs], M]) -> M:
        """What a function makes of the rows, made when it is asked for first: models of one kind share it."""
        if make not in self._made:
            self._made[make] = make(self)
        return cast(M, self._made[make])

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_made": {}}

    def take(self, rows: Rows) -> Inputs:
        """The given rows, copied."""
        weights = None if self.weights is None else self.weights[rows]
        return Inputs(self.numeric[rows], self.categorical[rows], self.cardinalities, weights)


@dataclass(frozen=True)
class Truth:
    """What predictions of validation rows are compared with: the targets and weights of the rows."""

    y: Array
    weights: Weights


@dataclass(frozen=True)
class Target:
    """The kind of value that a model predicts.

    Predictions are probabilities of shape (n, n_classes), also for two classes, or values of shape (n,)
    for a regression, where ``n_classes`` is 0. ``error`` is what a regression is to make small; a model that cannot do
    so makes squared errors small.
    """

    task_type: TaskType
    n_classes: int
    error: Error = Error.SQUARED

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Target:
        """What ``to_json`` wrote, perhaps among other things; version 0.1 had squared errors only, and wrote none."""
        return cls(TaskType(record["task_type"]), record["n_classes"], Error(record.get("error", Error.SQUARED.value)))

    def to_json(self) -> dict[str, Any]:
        record: dict[str, Any] = {"task_type": self.task_type.value, "n_classes": self.n_classes}
        return record if self.task_type.is_classification else {**record, "error": self.error.value}

    @property
    def d_out(self) -> int:
        """The number of outputs of a network: logits, or the one standardised value."""
        return self.n_classes if self.task_type.is_classification else 1
