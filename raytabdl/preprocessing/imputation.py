"""Missing numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray


class MissingIndicator:
    """Fills missing values with 0, which is the centre after scaling, and appends a 0/1 column for each
    column that had missing values in training.
    """

    def __init__(self) -> None:
        self.columns_: NDArray[np.int64] = np.empty(0, np.int64)

    def fit(self, X: NDArray[np.float32]) -> MissingIndicator:
        self.columns_ = np.flatnonzero(np.isnan(X).any(axis=0))
        return self

    def transform(self, X: NDArray[np.float32]) -> NDArray[np.float32]:
        """(n, d) -> (n, d + number of columns with missing values)."""
        missing = np.isnan(X)
        filled = np.where(missing, np.float32(0), X)
        if len(self.columns_) == 0:
            return filled
        return np.concatenate([filled, missing[:, self.columns_].astype(np.float32)], axis=1)

    def state(self) -> dict[str, NDArray[Any]]:
        return {"columns": self.columns_}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        self.columns_ = state["columns"]
