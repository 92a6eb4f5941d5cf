"""Permutation importance (Breiman 2001, in the form of Fisher, Rudin and Dominici 2019): what a column is worth."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from raytabdl.inputs import Array, Inputs
from raytabdl.metrics import Metric

N_REPEATS = 5
"""Permutations of each column, where there is time for them."""


@dataclass(frozen=True)
class Worth:
    """By how much the loss rises when a group of columns is shuffled: the mean and standard error over permutations.

    One permutation has no error.
    """

    group: int
    loss: float
    error: float | None


def permutation_importance(
    predict: Callable[[Inputs], Array],
    inputs: Inputs,
    y: Array,
    metric: Metric,
    *,
    groups: Sequence[Sequence[int]] | None = None,
    seed: int = 0,
    n_repeats: int = N_REPEATS,
    seconds: float = math.inf,
) -> tuple[Worth, ...]:
    """The worth of each group of columns to a fitted predictor, the largest first.

    A group is shuffled as one: it holds positions among the numeric columns of ``Inputs`` and then the categorical
    ones, and each column is a group of its own unless told otherwise. The rows must be such as it was not trained on.
    No permutation is begun after ``seconds``: then there are fewer of each group, and groups without one are left out.
    """
    until = time.monotonic() + seconds
    untouched = metric.loss(y, predict(inputs), inputs.weights)
    if groups is None:
        groups = [[column] for column in range(inputs.numeric.shape[1] + inputs.categorical.shape[1])]
    rises: dict[int, list[float]] = {}
    for repeat in range(n_repeats):
        for group in np.random.default_rng([seed, repeat]).permutation(len(groups)).tolist():
            if time.monotonic() >= until:
                break
            order = np.random.default_rng([seed, repeat, group]).permutation(len(inputs))
            rise = metric.loss(y, predict(_shuffled(inputs, groups[group], order)), inputs.weights) - untouched
            rises.setdefault(group, []).append(rise)
    found = (Worth(group, float(np.mean(own)), _standard_error(own)) for group, own in rises.items())
    return tuple(sorted(found, key=lambda worth: (-worth.loss, worth.group)))


def _shuffled(inputs: Inputs, columns: Sequence[int], order: np.ndarray) -> Inputs:
    """The inputs with some columns in another order, the same for all of them."""
    n_numeric = inputs.numeric.shape[1]
    numbers = [column for column in columns if column < n_numeric]
    codes = [column - n_numeric for column in columns if column >= n_numeric]
    numeric, categorical = inputs.numeric, inputs.categorical
    if numbers:
        numeric = numeric.copy()
        numeric[:, numbers] = numeric[order][:, numbers]
    if codes:
        categorical = categorical.copy()
        categorical[:, codes] = categorical[order][:, codes]
    return Inputs(numeric, categorical, inputs.cardinalities)


def _standard_error(values: list[float]) -> float | None:
    return float(np.std(values, ddof=1) / math.sqrt(len(values))) if len(values) > 1 else None
