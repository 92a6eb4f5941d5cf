"""The matrix that models without trees learn from: scaled numbers beside one-hot categories."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from raytabdl.inputs import Inputs
from raytabdl.preprocessing.imputation import MissingIndicator
from raytabdl.preprocessing.scaling import RobustScaler

_MAX_DENSE = 300
"""One-hot columns up to which a dense matrix is faster than a sparse one."""


class Design:
    """Robustly scaled numbers with indicators of missing ones, and a column for each known level of a category."""

    def __init__(self) -> None:
        self.scaler = RobustScaler()
        self.indicator = MissingIndicator()

    def fit(self, X: Inputs) -> Design:
        self.scaler.fit(X.numeric, np.random.default_rng(0))
        self.indicator.fit(self.scaler.transform(X.numeric))
        return self

    def numbers(self, X: Inputs) -> NDArray[np.float32]:
        """Scaled, 0 where missing, and the indicators: (n, d_num + number of columns with missing values)."""
        return self.indicator.transform(self.scaler.transform(X.numeric))

    def matrix(self, X: Inputs) -> Any:
        """Numbers, one-hot levels and a column of ones, (n, d) of float64; sparse where it is wide."""
        from scipy import sparse

        numbers = self.numbers(X)
        ones = np.ones((len(X), 1), np.float32)
        offsets = np.cumsum([0, *(cardinality - 1 for cardinality in X.cardinalities)])
        rows, columns = np.nonzero(X.categorical)  # code 0, an unseen level, has no column
        codes = X.categorical[rows, columns] - 1 + offsets[columns]
        one_hot = sparse.csr_matrix((np.ones(len(rows), np.float32), (rows, codes)), shape=(len(X), int(offsets[-1])))
        if one_hot.shape[1] <= _MAX_DENSE:
            return np.concatenate([numbers, one_hot.toarray(), ones], axis=1).astype(np.float64)
        return sparse.hstack([sparse.csr_matrix(numbers), one_hot, ones], format="csr", dtype=np.float64)

    def state(self) -> dict[str, NDArray[Any]]:
        return {**self.scaler.state(), **self.indicator.state()}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        self.scaler.restore(state)
        self.indicator.restore(state)
