"""Logistic and ridge regression."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from raytabdl.classic.design import Design
from raytabdl.component import Classic, Real, Space
from raytabdl.inputs import Array, Error, Inputs, Target, Weights
from raytabdl.persistence import read_arrays, write_arrays
from raytabdl.spread import centre_and_spread

_ROUNDED = 0.1
"""Absolute errors are a parabola up to so many times the spread of the target, since L-BFGS needs a slope that does not
jump (Huber, 1964)."""


class Linear(Classic):
    """A linear model on robustly scaled numbers and one-hot categories; iterations are L-BFGS steps.

    ``l2`` is the penalty on the squared coefficients. The whole descent is done at the first ``advance`` and its path
    is kept, so that any number of iterations can predict: a second descent would not go on as the first.
    """

    name: ClassVar[str] = "linear"
    space: ClassVar[Space] = {"l2": Real(1e-6, 1e0, 1e-4, log=True)}
    horizon: ClassVar[int] = 54
    is_shortened: ClassVar[bool] = False

    def __init__(self, target: Target, *, seed: int, n_threads: int, l2: float = 1e-4) -> None:
        self.target = target
        self.l2 = l2
        self.design_ = Design()
        self.path_: NDArray[np.float32] = np.empty((0, 0, 0), np.float32)  # (iterations, d, d_out)
        self.scale_ = np.array([0.0, 1.0])

    def advance(self, X: Inputs, y: Array, n_iterations: int) -> None:
        if len(self.path_) == 0:
            matrix = self.design_.fit(X).matrix(X)
            truth = self._truth(y, X.weights)
            self.path_ = _descend(matrix, truth, X.weights, self.target, self.l2, self.horizon)

    def predict(self, X: Inputs, n_iterations: int) -> Array:
        coefficients = self.path_[min(n_iterations, len(self.path_)) - 1]
        outputs = np.asarray(self.design_.matrix(X) @ coefficients, np.float64)
        if not self.target.task_type.is_classification:
            return np.asarray(outputs[:, 0] * self.scale_[1] + self.scale_[0])
        from scipy.special import softmax

        probabilities: Array = softmax(outputs, axis=1)
        return probabilities

    def save(self, folder: Path) -> None:
        arrays = {"path": self.path_, "scale": self.scale_, **self.design_.state()}
        write_arrays(folder / "linear.safetensors", arrays)

    def load(self, folder: Path) -> None:
        arrays = read_arrays(folder / "linear.safetensors")
        self.path_, self.scale_ = arrays["path"], arrays["scale"]
        self.design_.restore(arrays)

    def _truth(self, y: Array, weights: Weights) -> NDArray[np.float64]:
        """One-hot classes, or the standardised target as a column."""
        if self.target.task_type.is_classification:
            return np.eye(self.target.n_classes)[y.astype(np.int64)]
        centre, spread = centre_and_spread(y, self.target.error, weights)
        self.scale_ = np.array([centre, spread if spread > 0 else 1.0])
        return np.asarray((y[:, None] - self.scale_[0]) / self.scale_[1], np.float64)


def _descend(
    design: Any, truth: NDArray[np.float64], weights: Weights, target: Target, l2: float, n_iterations: int
) -> NDArray[np.float32]:
    """The coefficients after each step of L-BFGS from zero: (n_steps, d, d_out), the last row the intercept."""
    from scipy.optimize import minimize
    from scipy.special import log_softmax

    shape = (design.shape[1], target.d_out)
    total = len(truth) if weights is None else weights.sum()

    def objective(flat: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        coefficients = flat.reshape(shape)
        outputs = np.asarray(design @ coefficients)
        if target.task_type.is_classification:
            log_probabilities = log_softmax(outputs, axis=1)
            losses = -(log_probabilities * truth)
            slope = np.exp(log_probabilities) - truth
        else:
            losses, slope = _value_losses(outputs - truth, target.error)
        if weights is not None:
            losses, slope = losses * weights[:, None], slope * weights[:, None]
        gradient = np.asarray(design.T @ slope) / total
        gradient[:-1] += l2 * coefficients[:-1]
        return float(losses.sum() / total + 0.5 * l2 * np.square(coefficients[:-1]).sum()), gradient.ravel()

    path: list[NDArray[np.float32]] = []
    minimize(
        objective,
        np.zeros(shape).ravel(),
        jac=True,
        method="L-BFGS-B",
        callback=lambda flat: path.append(flat.reshape(shape).astype(np.float32)),
        options={"maxiter": n_iterations},
    )
    return np.stack(path or [np.zeros(shape, np.float32)])


def _value_losses(residuals: NDArray[np.float64], error: Error) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The loss of each residual, and its slope there."""
    if error is not Error.ABSOLUTE:
        return 0.5 * np.square(residuals), residuals
    slope = np.clip(residuals / _ROUNDED, -1.0, 1.0)
    return slope * (residuals - 0.5 * _ROUNDED * slope), slope
