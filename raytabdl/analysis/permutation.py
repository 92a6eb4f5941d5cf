"""Permutation importance (Breiman 2001, in the form of Fisher, Rudin and Dominici 2019): what a column is worth."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from raytabdl.inputs import Array, Inputs
from raytabdl.metrics import Metric

N_REPEATS = 5
"""Permutations of each column, where there is time for them."""


@dataclass(frozen=True)
class Worth:
    """By how much the loss rises when one column is shuffled: the mean and the standard error over the permutations.

    ``column`` counts the numeric columns of ``Inputs`` and then the categorical ones. One permutation has no error.
    """

    column: int
    loss: float
    error: float | None


def permutation_importance(
    predict: Callable[[Inputs], Array],
    inputs: Inputs,
    y: Array,
    metric: Metric,
    *,
    seed: int = 0,
    n_repeats: int = N_REPEATS,
    seconds: float = math.inf,
) -> tuple[Worth, ...]:
    """The worth of each column to a fitted predictor, the largest first.

    The rows must be such as it was not trained on. No permutation is begun after ``seconds``: then there are fewer of
    each column, and columns without one are left out.
    """
    until = time.monotonic() + seconds
    untouched = metric.loss(y, predict(inputs), inputs.weights)
    n_columns = inputs.numeric.shape[1] + inputs.categorical.shape[1]
    rises: dict[int, list[float]] = {}
    for repeat in range(n_repeats):
        for column in np.random.default_rng([seed, repeat]).permutation(n_columns).tolist():
            if time.monotonic() >= until:
                break
            order = np.random.default_rng([seed, repeat, column]).permutation(len(inputs))
            rise = metric.loss(y, predict(_shuffled(inputs, column, order)), inputs.weights) - untouched
            rises.setdefault(column, []).append(rise)
    found = (Worth(column, float(np.mean(own)), _standard_error(own)) for column, own in rises.items())
    return tuple(sorted(found, key=lambda worth: (-worth.loss, worth.column)))


def _shuffled(inputs: Inputs, column: int, order: np.ndarray) -> Inputs:
    """The inputs with one column in another order."""
    numeric, categorical = inputs.numeric, inputs.categorical
    n_numeric = numeric.shape[1]
    if column < n_numeric:
        numeric = numeric.copy()
        numeric[:, column] = numeric[order, column]
    else:
        categorical = categorical.copy()
        categorical[:, column - n_numeric] = categorical[order, column - n_numeric]
    return Inputs(numeric, categorical, inputs.cardinalities)


def _standard_error(values: list[float]) -> float | None:
    return float(np.std(values, ddof=1) / math.sqrt(len(values))) if len(values) > 1 else None
