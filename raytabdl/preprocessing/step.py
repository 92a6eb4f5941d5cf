"""What a member of the families of preprocessing is: a map of encoded rows that is fitted on the training part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from raytabdl.component import Component
from raytabdl.inputs import Array, Inputs, Rows, Target

MAX_COLUMNS = 500
"""Columns that a step makes of others, at most: as float32 they are 200 MB for 100,000 rows."""


class Step(Component):
    """Maps encoded rows to encoded rows; one is fitted once, on the training part, and then maps all others.

    Attributes that end in ``_`` are the arrays that ``fit`` sets: they are its state. Others are hyperparameters.
    """

    def fit(self, X: Inputs, y: Array, target: Target, rng: np.random.Generator) -> Step:
        """Learns from the training part; all that is random in it is drawn from ``rng``."""
        raise NotImplementedError

    def transform(self, X: Inputs) -> Inputs:
        """Maps rows one by one: a row among others becomes what it becomes alone."""
        raise NotImplementedError

    def fit_transform(self, X: Inputs, y: Array, target: Target, rng: np.random.Generator) -> Inputs:
        """Fits, and maps the training part itself.

        A step that tells a row from the targets has its own way: a row of the training part must not see its own.
        """
        return self.fit(X, y, target, rng).transform(X)

    def state(self) -> dict[str, NDArray[Any]]:
        return fitted_arrays(self)

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        for name in fitted_arrays(self):
            setattr(self, name, state[name])


def fitted_arrays(component: Component) -> dict[str, NDArray[Any]]:
    """The attributes that end in ``_``, by name."""
    return {name: value for name, value in vars(component).items() if name.endswith("_")}


def with_numbers(X: Inputs, numbers: NDArray[Any]) -> Inputs:
    """The rows with other numbers."""
    return replace(X, numeric=np.ascontiguousarray(numbers, dtype=np.float32))


def with_categories(X: Inputs, columns: Sequence[int] | Rows) -> Inputs:
    """The rows with only the given columns of codes."""
    return replace(X, categorical=X.categorical[:, columns], cardinalities=tuple(X.cardinalities[j] for j in columns))


def sample(X: Inputs, y: Array, n_rows: int, rng: np.random.Generator) -> tuple[Inputs, Array]:
    """As many rows as are enough to fit with, drawn at random where there are more."""
    if len(X) <= n_rows:
        return X, y
    rows = rng.choice(len(X), n_rows, replace=False)
    return X.take(rows), y[rows]
