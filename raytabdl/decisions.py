"""Which class is decided for: the largest probability, after each was multiplied by the factor of its class."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from raytabdl.inputs import Array, Weights
from raytabdl.metrics import CLASSIFICATION, Metric

Factors = tuple[float, ...]
"""A number for each class; nothing where the most probable class is decided for."""

N_CANDIDATES = 40
"""Thresholds of two classes that are tried, at quantiles of the odds."""

EXPONENTS = np.linspace(0.0, 1.5, 16)
"""Of several classes the factors are powers of 1 / prior: 0 is the most probable class, 1 counts all classes alike."""

N_HALVINGS, N_DRAWS = 4, 9
"""Random halvings that tell whether a decision gains, and bootstrap samples that it is the median of."""

LEAST_GAIN = 0.5
"""Of the standard deviation of what a decision gains on half of the rows, which it must gain there on average."""

LEAST_ROWS, MOST_ROWS, MOST_ROWS_OF_OWN = 100, 4_000, 1_000
"""By which they are chosen; a metric of the user's own may be slow."""

OF_PROBABILITIES = frozenset({"log_loss", "roc_auc", "average_precision"})
"""Metrics that no decision changes."""

NEVER_TUNED = ("precision", "recall")
"""Metrics that are best where one class is hardly ever decided for."""


def decided(probabilities: Array, factors: Factors) -> Array:
    """The probabilities times the factors, (n, n_classes): the largest of a row is the class that is decided for."""
    return probabilities * np.asarray(factors) if factors else probabilities


def as_measured(probabilities: Array, factors: Factors, metric_name: str) -> Array:
    """What a metric is to be handed: decisions where it measures classes, else the probabilities as they are."""
    return probabilities if metric_name in OF_PROBABILITIES else decided(probabilities, factors)


def tuned_factors(y: Array, probabilities: Array, metric: Metric, weights: Weights = None) -> Factors:
    """The factors by which a metric of classes is best on validation rows.

    Nothing for other metrics and few rows, and where the best candidate of one half of the rows, in several random
    halvings, does not gain on the other by half of what the gain varies, or cannot be measured there. Else of each
    bootstrap sample that the metric can measure the best candidate is found, and the median of these is taken.
    """
    if len(y) < LEAST_ROWS or not measures_classes(y, probabilities, metric):
        return ()
    rng = np.random.default_rng(0)
    most = MOST_ROWS if metric.name in CLASSIFICATION else MOST_ROWS_OF_OWN
    rows = rng.permutation(len(y))[:most]
    y, probabilities, weights = y[rows], probabilities[rows], None if weights is None else weights[rows]
    candidates = _candidates(y, probabilities, weights)
    if not candidates:
        return ()
    by_candidate = [decided(probabilities, candidate) for candidate in candidates]

    def loss(predictions: Array, rows: NDArray[np.intp]) -> float:
        return metric.loss_of_some(y[rows], predictions[rows], None if weights is None else weights[rows])

    def best(rows: NDArray[np.intp]) -> int | None:
        losses = [loss(predictions, rows) for predictions in by_candidate]
        return None if np.isnan(losses).all() else int(np.nanargmin(losses))

    gains = []
    for halves in (np.array_split(rng.permutation(len(y)), 2) for _ in range(N_HALVINGS)):
        for own, other in (halves, halves[::-1]):
            chosen = best(own)
            gains.append(np.nan if chosen is None else loss(probabilities, other) - loss(by_candidate[chosen], other))
    if not np.mean(gains) > LEAST_GAIN * np.std(gains):  # NaN neither
        return ()
    drawn = [best(rng.integers(0, len(y), len(y))) for _ in range(N_DRAWS)]
    found = [place for place in drawn if place is not None]
    return candidates[int(np.median(found))] if found else ()


def measures_classes(y: Array, probabilities: Array, metric: Metric) -> bool:
    """Whether a metric sees the class of the largest probability alone, as far as these rows tell."""
    if metric.name in OF_PROBABILITIES or metric.name.startswith(NEVER_TUNED) or probabilities.ndim == 1:
        return False
    certain = np.eye(probabilities.shape[1])[probabilities.argmax(axis=1)]
    return metric.measure(y, probabilities) == metric.measure(y, certain)


def _candidates(y: Array, probabilities: Array, weights: Weights) -> list[Factors]:
    """Factors in order, none of which decides for one class alone."""
    n_classes = probabilities.shape[1]
    if n_classes == 2:
        odds = np.unique(probabilities[:, 0] / np.maximum(probabilities[:, 1], np.finfo(np.float32).tiny))
        # Between neighbours, so that no row is undecided.
        places = np.unique(np.linspace(1, len(odds) - 1, N_CANDIDATES).astype(np.int64)) if len(odds) > 1 else ()
        return [(1.0, float(np.sqrt(odds[i - 1] * odds[i]))) for i in places]
    priors = np.bincount(y.astype(np.int64), weights, minlength=n_classes) + 1.0
    return [tuple((priors.mean() / priors) ** exponent) for exponent in EXPONENTS]
