"""Temperature scaling, and the losses that rungs are compared by."""

from __future__ import annotations

import numpy as np

from raytabdl.inputs import Array, Target

_SMALLEST = 1e-7


def temperature(y: Array, probabilities: Array, n_steps: int = 12) -> float:
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
        gradient = (mean - truth).mean()
        curvature = ((weights * np.square(logits)).sum(axis=1) - np.square(mean)).mean()
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


def rung_loss(y: Array, predictions: Array, target: Target) -> tuple[float, float]:
    """What trials are promoted on, whatever the metric that the user optimises, and the temperature behind it.

    Log loss after temperature scaling for a classification, since raw log loss ranks over-confident nets
    below worse ones; RMSE in units of the target's standard deviation for a regression. Infinite where
    the predictions are not finite.
    """
    if not np.isfinite(predictions).all():
        return float("inf"), 1.0
    if not target.task_type.is_classification:
        spread = float(np.std(y))
        return float(np.sqrt(np.square(y - predictions).mean())) / (spread if spread > 0 else 1.0), 1.0
    fitted = temperature(y, predictions)
    truth = scale(predictions, fitted)[np.arange(len(y)), y.astype(np.int64)]
    return float(-np.log(np.maximum(truth, _SMALLEST)).mean()), fitted
