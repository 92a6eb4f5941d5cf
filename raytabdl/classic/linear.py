"""Logistic and ridge regression."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from raytabdl.component import Classic, Real, Space
from raytabdl.inputs import Array, Inputs, Target
from raytabdl.preprocessing.imputation import MissingIndicator
from raytabdl.preprocessing.scaling import RobustScaler


class Linear(Classic):
    """A linear model on robustly scaled numbers and one-hot categories; iterations are L-BFGS steps.

    ``l2`` is the penalty on the squared coefficients, per row of the training part.
    """

    name: ClassVar[str] = "linear"
    space: ClassVar[Space] = {"l2": Real(1e-6, 1e0, 1e-4, log=True)}
    horizon: ClassVar[int] = 54

    def __init__(self, target: Target, *, seed: int, n_threads: int, l2: float = 1e-4) -> None:
        self.target = target
        self.l2 = l2
        self.scaler_ = RobustScaler()
        self.indicator_ = MissingIndicator()
        self.coefficients_: NDArray[np.float64] = np.empty((0, 0))
        self.scale_ = (0.0, 1.0)

    def advance(self, X: Inputs, y: Array, n_iterations: int) -> None:
        from scipy.optimize import minimize

        if self.coefficients_.size == 0:
            self.scaler_.fit(X.numeric, np.random.default_rng(0))
            self.indicator_.fit(X.numeric)
        design = self._design(X)
        start = self.coefficients_ if self.coefficients_.size else np.zeros((design.shape[1], self.target.d_out))
        if self.target.task_type.is_classification:
            truth = np.eye(self.target.n_classes)[y.astype(np.int64)]
        else:
            spread = float(y.std())
            self.scale_ = (float(y.mean()), spread if spread > 0 else 1.0)
            truth = ((y - self.scale_[0]) / self.scale_[1])[:, None]

        def objective(flat: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
            coefficients = flat.reshape(start.shape)
            outputs = np.asarray(design @ coefficients)
            if self.target.task_type.is_classification:
                outputs -= outputs.max(axis=1, keepdims=True)
                log_sum = np.log(np.exp(outputs).sum(axis=1, keepdims=True))
                loss = float((log_sum[:, 0] - (outputs * truth).sum(axis=1)).mean())
                slope = np.exp(outputs - log_sum) - truth
            else:
                slope = outputs - truth
                loss = float(0.5 * np.square(slope).mean())
            gradient = np.asarray(design.T @ slope) / len(truth)
            penalised = coefficients[:-1]  # the intercept comes last
            gradient[:-1] += self.l2 * penalised
            return loss + 0.5 * self.l2 * float(np.square(penalised).sum()), gradient.ravel()

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            found = minimize(objective, start.ravel(), jac=True, method="L-BFGS-B", options={"maxiter": n_iterations})
        self.coefficients_ = found.x.reshape(start.shape)

    def predict(self, X: Inputs, n_iterations: int) -> Array:
        outputs = np.asarray(self._design(X) @ self.coefficients_)
        if not self.target.task_type.is_classification:
            return outputs[:, 0] * self.scale_[1] + self.scale_[0]
        weights = np.exp(outputs - outputs.max(axis=1, keepdims=True))
        return weights / weights.sum(axis=1, keepdims=True)

    def save(self, folder: Path) -> None:
        np.savez(
            folder / "linear.npz",
            coefficients=self.coefficients_,
            scale=np.array(self.scale_),
            columns=self.indicator_.columns_,
            centre=self.scaler_.centre_,
            factor=self.scaler_.factor_,
        )

    def load(self, folder: Path) -> None:
        with np.load(folder / "linear.npz", allow_pickle=False) as arrays:
            self.coefficients_ = arrays["coefficients"]
            self.scale_ = (float(arrays["scale"][0]), float(arrays["scale"][1]))
            self.indicator_.restore({"columns": arrays["columns"]})
            self.scaler_.restore({"centre": arrays["centre"], "factor": arrays["factor"]})

    def _design(self, X: Inputs) -> object:
        """Scaled numbers, one column for each known level, and a column of ones."""
        from scipy import sparse

        numbers = self.indicator_.transform(self.scaler_.transform(X.numeric))
        ones = np.ones((len(X), 1), np.float32)
        offsets = np.concatenate([[0], np.cumsum([c - 1 for c in X.cardinalities])]).astype(np.int64)
        rows, columns = np.nonzero(X.categorical)  # code 0, an unseen level, has no column
        codes = X.categorical[rows, columns] - 1 + offsets[columns]
        one_hot = sparse.csr_matrix(
            (np.ones(len(rows), np.float32), (rows, codes)), shape=(len(X), int(offsets[-1]))
        )
        if one_hot.shape[1] <= 300:
            return np.concatenate([numbers, one_hot.toarray(), ones], axis=1).astype(np.float64)
        return sparse.hstack([sparse.csr_matrix(numbers), one_hot, ones], format="csr", dtype=np.float64)
