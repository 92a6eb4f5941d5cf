"""Temperature and vector scaling, and the losses that rungs are compared by."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from raytabdl.inputs import Array, Error, Target, Weights
from raytabdl.metrics import mae, rmse
from raytabdl.spread import centre_and_spread

SMALLEST = 1e-7
"""Below it probabilities are taken for it, so that their logarithms stay finite."""

Scaling = tuple[float, ...]
"""A slope, and an offset for each class; nothing where probabilities are left as they are."""

LEAST_ROWS_A_CLASS = 50
"""Validation rows for each class that a scaling is fitted to at least."""

_MOST_VALUES = 40_000
_PENALTY = 1e-3


def temperature(y: Array, probabilities: Array, n_steps: int = 12, row_weights: Weights = None) -> float:
    """The temperature T that minimises the log loss of softmax(log p / T) (Guo et al. 2017, "On Calibration").

    The loss is convex in the inverse temperature, which Newton's method finds from 1; bounded to [1/20, 20].
    """
    logits = _logs(probabilities).astype(np.float64)
    truth = logits[np.arange(len(y)), y.astype(np.int64)]
    inverse = 1.0
    for _ in range(n_steps):
        scaled = inverse * logits
        weights = np.exp(scaled - scaled.max(axis=1, keepdims=True))
        weights /= weights.sum(axis=1, keepdims=True)
        mean = (weights * logits).sum(axis=1)
        gradient = np.average(mean - truth, weights=row_weights)
        variance = (weights * np.square(logits)).sum(axis=1) - np.square(mean)
        curvature = np.average(variance, weights=row_weights)
        if curvature < 1e-12:
            break
        step = float(np.clip(gradient / curvature, -0.5 * inverse, inverse))
        inverse = float(np.clip(inverse - step, 0.05, 20.0))
        if abs(step) < 1e-4 * inverse:
            break
    return 1.0 / inverse


def scale(probabilities: Array, temperature: float) -> Array:
    """softmax(log p / temperature), row by row."""
    logits = _logs(probabilities) / temperature
    weights: Array = np.exp(logits - logits.max(axis=1, keepdims=True))
    weights /= weights.sum(axis=1, keepdims=True)
    return weights


def vector_scaling(y: Array, probabilities: Array, row_weights: Weights = None) -> Scaling:
    """The slope a and offsets b that minimise the log loss of softmax(a log p + b) (Guo et al. 2017, section 4.2).

    For two classes this is Platt's scaling of the log odds. Nothing where there are few rows.
    """
    from scipy.optimize import minimize
    from scipy.special import log_softmax

    n_classes = probabilities.shape[1]
    if len(y) < LEAST_ROWS_A_CLASS * n_classes:
        return ()
    rows = np.random.default_rng(0).permutation(len(y))[: max(_MOST_VALUES // n_classes, LEAST_ROWS_A_CLASS)]
    logits = _logs(probabilities[rows]).astype(np.float64)
    truth = np.eye(n_classes)[y[rows].astype(np.int64)]
    share = np.full(len(rows), 1.0) if row_weights is None else row_weights[rows]
    share = (share / share.sum())[:, None]

    def objective(values: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        slope, offsets = values[0], values[1:]
        log_p = log_softmax(slope * logits + offsets, axis=1)
        error = share * (np.exp(log_p) - truth)
        loss = -float((share * truth * log_p).sum()) + 0.5 * _PENALTY * float(np.square(offsets).sum())
        return loss, np.append((error * logits).sum(), error.sum(axis=0) + _PENALTY * offsets)

    start = np.append(1.0, np.zeros(n_classes))
    bounds = [(0.05, 20.0), *[(-10.0, 10.0)] * n_classes]
    return tuple(minimize(objective, start, jac=True, method="L-BFGS-B", bounds=bounds).x.tolist())


def scaled(probabilities: Array, scaling: Scaling) -> Array:
    """softmax(a log p + b), row by row; the probabilities themselves without a scaling."""
    if not scaling:
        return probabilities
    logits = scaling[0] * _logs(probabilities) + np.asarray(scaling[1:])
    weights: Array = np.exp(logits - logits.max(axis=1, keepdims=True))
    weights /= weights.sum(axis=1, keepdims=True)
    return weights


def rung_loss(y: Array, predictions: Array, target: Target, weights: Weights = None) -> tuple[float, float]:
    """What trials are promoted on, and the temperature behind it.

    Log loss after temperature scaling for a classification, whatever the metric that the user optimises, since raw log
    loss ranks over-confident nets below worse ones. For a regression the error that its target names, in units of that
    of the best constant: the root of squared errors, or absolute ones. Infinite where the predictions are not finite.
    """
    if not np.isfinite(predictions).all():
        return float("inf"), 1.0
    if not target.task_type.is_classification:
        return _relative_error(y, predictions, target.error, weights), 1.0
    fitted = temperature(y, predictions, row_weights=weights)
    truth = scale(predictions, fitted)[np.arange(len(y)), y.astype(np.int64)]
    return float(-np.average(np.log(np.maximum(truth, SMALLEST)), weights=weights)), fitted


def _relative_error(y: Array, predictions: Array, error: Error, weights: Weights) -> float:
    if error is Error.LOGARITHMIC:
        y, predictions = np.log1p(y), np.log1p(np.maximum(predictions, 0.0))  # as in msle
    spread = centre_and_spread(y, error, weights)[1]
    measure = mae if error is Error.ABSOLUTE else rmse
    return measure(y, predictions, weights) / (spread if spread > 0 else 1.0)


def _logs(probabilities: Array) -> Array:
    logs: Array = np.log(np.minimum(np.maximum(probabilities, SMALLEST), 1.0))  # np.clip takes twice as long for a row
    return logs
