"""The kernel support vector machine, approximated."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from raytabdl.classic.design import Design
from raytabdl.component import Classic, Integer, Real, Space
from raytabdl.inputs import Array, Error, Inputs, Target
from raytabdl.persistence import read_arrays, write_arrays
from raytabdl.spread import centre_and_spread

_BATCH, _STEPS = 64, 160
"""Rows of a step, and steps of an iteration: its time does not grow with the table, which a kernel's does squared."""

_LEARNING_RATE, _MOMENTUM = 0.5, 0.9
"""The curvature of the loss is at most 2, features and intercept having squares of 1 each: this is a quarter of what
heavy-ball steps bear."""

_AVERAGING = 3
"""How much the average leans to the later steps (Shamir & Zhang, 2013, "polynomial-decay averaging")."""

_MARGIN = 0.05
"""Errors of a regression that cost nothing, in deviations of the target."""

_ROUNDED = 0.1
"""By absolute errors, how far beyond the margin the loss is squared, as the size of the steps wants it, before it grows
in a line."""

_MAX_FREQUENCIES = 4_000_000
"""16 MB of random frequencies: a table of very many levels has fewer features."""

_MAX_COEFFICIENTS = 100_000
"""22 MB for the coefficients of all iterations: with very many classes there are fewer features."""

_BLOCK_ROWS = 4_096
"""Rows predicted at once, whose features take 17 MB."""


class SVM(Classic):
    """A support vector machine with a Gaussian kernel, on random Fourier features; iterations are 10,240 sampled rows.

    exp(-gamma |x - y|^2 / v), v being the variance of the rows, is the mean of products of ``n_features`` cosines
    (Rahimi & Recht, 2007), on which a linear machine is trained: squared hinge loss of each class against the rest, or
    squared epsilon-insensitive loss (by absolute errors the plain one, with a rounded edge), by averaged stochastic
    gradient descent.
    """

    name: ClassVar[str] = "svm"
    space: ClassVar[Space] = {
        "gamma": Real(0.03, 10.0, 0.5, log=True),
        "l2": Real(1e-7, 1e-2, 1e-5, log=True),
    }
    full_space: ClassVar[Space] = {"n_features": Integer(256, 2048, 512, log=True)}
    horizon: ClassVar[int] = 54

    def __init__(
        self,
        target: Target,
        *,
        seed: int,
        n_threads: int,
        gamma: float = 0.5,
        l2: float = 1e-5,
        n_features: int = 512,
    ) -> None:
        self.target = target
        self.seed = seed
        self.gamma = gamma
        self.l2 = l2
        self.n_features = n_features
        self.design_ = Design()
        self.frequencies_ = np.empty((0, 0), np.float32)  # (d, n_features)
        self.phases_ = np.empty(0, np.float32)
        self.course_ = np.empty((2, 0, 0), np.float32)  # weights and velocity, (n_features + 1, d_out) each
        self.path_: list[NDArray[np.float32]] = []  # the average of the weights after each iteration
        self.scale_ = np.array([0.0, 1.0])

    def advance(self, X: Inputs, y: Array, n_iterations: int) -> None:
        if not self.path_:
            self._start(X, y)
        while len(self.path_) < n_iterations:
            self._iterate(X, y)

    def predict(self, X: Inputs, n_iterations: int) -> Array:
        weights = self.path_[min(n_iterations, len(self.path_)) - 1].astype(np.float64)
        blocks = [X.take(np.arange(begin, min(begin + _BLOCK_ROWS, len(X)))) for begin in range(0, len(X), _BLOCK_ROWS)]
        outputs = np.concatenate([self._features(self.design_.matrix(block)) @ weights for block in blocks])
        if not self.target.task_type.is_classification:
            return np.asarray(outputs[:, 0] * self.scale_[1] + self.scale_[0])
        from scipy.special import softmax

        probabilities: Array = softmax(2 * outputs, axis=1)  # margins of 1 and -1 are 98 to 2
        return probabilities

    def save(self, folder: Path) -> None:
        arrays = {
            "path": np.stack(self.path_),
            "course": self.course_,
            "frequencies": self.frequencies_,
            "phases": self.phases_,
            "scale": self.scale_,
            **self.design_.state(),
        }
        write_arrays(folder / "svm.safetensors", arrays)

    def load(self, folder: Path) -> None:
        arrays = read_arrays(folder / "svm.safetensors")
        self.path_ = list(arrays["path"])
        self.course_ = arrays["course"]
        self.frequencies_, self.phases_ = arrays["frequencies"], arrays["phases"]
        self.scale_ = arrays["scale"]
        self.design_.restore(arrays)

    def _start(self, X: Inputs, y: Array) -> None:
        """Draws the features."""
        from scipy import sparse

        rng = np.random.default_rng([self.seed, 0])
        sample = X.take(np.sort(rng.permutation(len(X))[: _BATCH * _STEPS]))
        matrix = sparse.csr_matrix(self.design_.fit(X).matrix(sample))
        d, d_out = matrix.shape[1], self.target.d_out
        n_features = max(1, min(self.n_features, _MAX_FREQUENCIES // d, _MAX_COEFFICIENTS // d_out))
        variance = float(matrix.power(2).sum() / len(sample) - np.square(matrix.mean(axis=0)).sum())
        width = np.sqrt(2 * self.gamma / variance) if variance > 1e-9 else 1.0
        self.frequencies_ = (width * rng.normal(size=(d, n_features))).astype(np.float32)
        self.phases_ = rng.uniform(0, 2 * np.pi, n_features).astype(np.float32)
        self.course_ = np.zeros((2, n_features + 1, d_out), np.float32)
        if not self.target.task_type.is_classification:
            mean, spread = centre_and_spread(y, Error.SQUARED, X.weights)
            self.scale_ = np.array([mean, spread if spread > 0 else 1.0])

    def _iterate(self, X: Inputs, y: Array) -> None:
        rng = np.random.default_rng([self.seed, 1 + len(self.path_)])
        if X.weights is None:
            drawn = rng.integers(len(X), size=_BATCH * _STEPS)
        else:  # a row is met as often as it weighs
            drawn = rng.choice(len(X), size=_BATCH * _STEPS, p=X.weights / X.weights.sum())
        rows, drawn = np.unique(drawn, return_inverse=True)  # of a small table each row's features are computed once
        features = self._features(self.design_.matrix(X.take(rows)).astype(np.float32))
        truth = self._truth(y[rows])
        weights, velocity = self.course_
        average = self.path_[-1].copy() if self.path_ else np.zeros_like(weights)
        for step in range(_STEPS):
            batch = drawn[step * _BATCH : (step + 1) * _BATCH]
            gradient = features[batch].T @ (self._slopes(features[batch] @ weights, truth[batch]) / _BATCH)
            gradient[:-1] += self.l2 * weights[:-1]
            velocity *= _MOMENTUM
            velocity -= _LEARNING_RATE * gradient
            weights += velocity
            n_steps = len(self.path_) * _STEPS + step + 1
            average += (weights - average) * ((_AVERAGING + 1) / (n_steps + _AVERAGING))
        self.path_.append(average)

    def _features(self, matrix: Any) -> Any:
        """sqrt(2 / n_features) cos(w x + b), whose squares add up to about 1, and a column of ones."""
        angles = np.asarray(matrix @ self.frequencies_) + self.phases_
        cosines = np.cos(angles, out=angles)
        cosines *= np.sqrt(2 / len(self.phases_))
        return np.concatenate([cosines, np.ones((len(cosines), 1), cosines.dtype)], axis=1)

    def _truth(self, y: Array) -> NDArray[np.float32]:
        """1 for a row's class and -1 for the others, or the standardised target as a column."""
        if self.target.task_type.is_classification:
            return (2 * np.eye(self.target.n_classes)[y.astype(np.int64)] - 1).astype(np.float32)
        return np.asarray((y[:, None] - self.scale_[0]) / self.scale_[1], np.float32)

    def _slopes(self, outputs: NDArray[np.float32], truth: NDArray[np.float32]) -> NDArray[np.float32]:
        """The derivatives of half the squared loss, by absolute errors bounded."""
        if self.target.task_type.is_classification:
            return np.asarray(-truth * np.maximum(1 - truth * outputs, 0))
        error = outputs - truth
        most = np.inf if self.target.error is not Error.ABSOLUTE else _ROUNDED
        return np.asarray(np.sign(error) * np.clip(np.abs(error) - np.float32(_MARGIN), 0, np.float32(most)))
