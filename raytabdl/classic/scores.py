"""Raw scores of boosted trees: they add up over rounds, and probabilities follow from them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from raytabdl.inputs import Array, Inputs, Target, TaskType

Scores = NDArray[np.float64]


BLOCK = 40
"""Rounds that are summed up by themselves: in the same order by a training that was paused."""


@dataclass
class RawScores:
    """The scores of the rows that were asked for last: of these, more rounds need only the new trees."""

    _rows: Inputs | None = None
    _n_blocks: int = 0
    _scores: Scores | None = None

    def up_to(self, X: Inputs, n_rounds: int, of_rounds: Callable[[Inputs, int, int], Scores]) -> Scores:
        """The sum over the first rounds; ``of_rounds`` gives that from one round up to another, which is left out."""
        if self._rows is not X or self._n_blocks * BLOCK > n_rounds:
            self._rows, self._n_blocks, self._scores = X, 0, None
        while (self._n_blocks + 1) * BLOCK <= n_rounds:
            block = of_rounds(X, self._n_blocks * BLOCK, (self._n_blocks + 1) * BLOCK)
            self._scores = block if self._scores is None else self._scores + block
            self._n_blocks += 1
        if self._n_blocks * BLOCK == n_rounds and self._scores is not None:
            return self._scores
        rest = of_rounds(X, self._n_blocks * BLOCK, n_rounds)
        return rest if self._scores is None else self._scores + rest


def predictions_of(raw: Scores, target: Target) -> Array:
    """What the scores predict, in the form that ``Target`` describes."""
    if target.task_type is TaskType.REGRESSION:
        return raw
    if target.task_type is TaskType.BINARY:
        probabilities = np.empty((len(raw), 2))
        # The logistic function, which does not overflow this way.
        probabilities[:, 1] = 0.5 * (1.0 + np.tanh(0.5 * raw))
        probabilities[:, 0] = 1 - probabilities[:, 1]
        return probabilities
    weights: Scores = np.exp(raw - raw.max(axis=1, keepdims=True))
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))
