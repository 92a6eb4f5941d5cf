"""Temperature scaling, and the losses that rungs are compared by."""

from __future__ import annotations

import numpy as np

from raytabdl.inputs import Array, Target, Weights, mean_and_deviation

_SMALLEST = 1e-7


def temperature(y: Array, probabilities: Array, n_steps: int = 12, row_weights: Weights = None) -> float:
    """The temperature T that minimises the log loss of softmax(log p / T) (Guo et al. 2017, "On Calibration").

    The loss is convex in the inverse temperature, which Newton's method finds from 1; bounded to [1/20, 20].
    """
    logits = np.log(np.clip(probabilities, _SMALLEST, 1.0)).astype(np.float64)
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
    logits = np.log(np.clip(probabilities, _SMALLEST, 1.0)) / temperature
    weights: Array = np.exp(logits - logits.max(axis=1, keepdims=True))
    weights /= weights.sum(axis=1, keepdims=True)
    return weights


def rung_loss(y: Array, predictions: Array, target: Target, weights: Weights = None) -> tuple[float, float]:
    """What trials are promoted on, whatever the metric that the user optimises, and the temperature behind it.

    Log loss after temperature scaling for a classification, since raw log loss ranks over-confident nets
    below worse ones; RMSE in units of the target's standard deviation for a regression. Infinite where
    the predictions are not finite.
    """
    if not np.isfinite(predictions).all():
        return float("inf"), 1.0
    if not target.task_type.is_classification:
        spread = mean_and_deviation(y, weights)[1]
        error = float(np.sqrt(np.average(np.square(y - predictions), weights=weights)))
        return error / (spread if spread > 0 else 1.0), 1.0
    fitted = temperature(y, predictions, row_weights=weights)
    truth = scale(predictions, fitted)[np.arange(len(y)), y.astype(np.int64)]
    return float(-np.average(np.log(np.maximum(truth, _SMALLEST)), weights=weights)), fitted
