"""The losses of an ensemble with one more member, for all members that may come next: what a selection asks for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from raytabdl.inputs import Array, Weights
from raytabdl.metrics import SMALLEST_PROBABILITY, Metric

Losses = NDArray[np.float64]
Places = NDArray[np.intp]

AT_ONCE = ("log_loss", "mse", "rmse")
"""The metrics that are measured of all members at once."""

_N_FIRST = 8
"""Members of the lowest bounds, which are measured before it is known which others need not be."""

_SLACK = 1e-5
"""Of a bound, relatively: it is a sum in single precision."""


class Objective:
    """The losses of means of members, by any metric; ``members`` has what is summed up of each, (n_members, n, ...)."""

    def __init__(self, metric: Metric, predictions: Sequence[Array], y: Array, weights: Weights) -> None:
        self.metric = metric
        self.y = y
        self.weights = weights
        self.members: NDArray[Any] = np.stack([self._prepared(own) for own in predictions])

    def alone(self) -> Losses:
        """The loss of each member by itself."""
        return self._losses(self.members.copy())

    def joined(self, total: Array, n: int, among: Places | None = None) -> Losses:
        """The loss of the mean of ``n`` members, each in turn beside the ``n - 1`` whose sum is ``total``.

        Infinity for one that is not ``among`` those that may come next, or whose loss cannot be the lowest of these.
        """
        among = np.arange(len(self.members)) if among is None else among
        losses = np.full(len(self.members), np.inf)
        losses[among] = self._mean_losses(among, total, n)
        return losses

    def _prepared(self, predictions: Array) -> Array:
        return predictions

    def _losses(self, means: NDArray[Any]) -> Losses:
        """Of each of several means, which are overwritten; infinity where the metric cannot measure one."""
        losses = np.array([self.metric.loss_of_some(self.y, mean, self.weights) for mean in means])
        return np.where(np.isnan(losses), np.inf, losses)

    def _mean_losses(self, chosen: Places, total: Array, n: int) -> Losses:
        means = total + self.members[chosen]
        means /= n
        return self._losses(means)


class _Bounded(Objective):
    """A convex loss: its tangent at the mean so far bounds it from below at all means, by one product with a matrix.

    Only members whose bound is below the lowest loss found are measured.
    """

    def joined(self, total: Array, n: int, among: Places | None = None) -> Losses:
        bounds = self._bounds(total, n)
        losses = np.full(len(self.members), np.inf)
        in_order = np.argsort(bounds) if among is None else among[np.argsort(bounds[among])]
        first, others = in_order[:_N_FIRST], in_order[_N_FIRST:]
        losses[first] = self._mean_losses(first, total, n)
        left = others[bounds[others] <= losses.min()]
        if len(left):
            losses[left] = self._mean_losses(left, total, n)
        return losses

    def _bounds(self, total: Array, n: int) -> Losses:
        raise NotImplementedError

    def _row_means(self, values: NDArray[Any]) -> Losses:
        """Of each member, (n_members, n)."""
        if self.weights is None:
            return np.asarray(values.mean(axis=1, dtype=np.float64))
        return np.asarray(values @ (self.weights / self.weights.sum()))

    def _projected(self, direction: Array) -> Losses:
        """The mean over the rows of each member times ``direction``, (n,)."""
        shares = 1 / len(self.y) if self.weights is None else self.weights / self.weights.sum()
        return np.asarray(self.members @ (direction * shares).astype(self.members.dtype), np.float64)


class _LogLoss(_Bounded):
    """Of members there is the probability of the true class alone."""

    def _prepared(self, predictions: Array) -> Array:
        return np.asarray(predictions[np.arange(len(self.y)), self.y.astype(np.int64)], np.float32)

    def _losses(self, means: NDArray[Any]) -> Losses:
        np.maximum(means, SMALLEST_PROBABILITY, out=means)
        return -self._row_means(np.log(means, out=means))

    def _bounds(self, total: Array, n: int) -> Losses:
        """For c not below the smallest probability e, -log max(m, e) is at least 1 - log c - (m + e) / c."""
        c = np.maximum(total / (n - 1), SMALLEST_PROBABILITY)
        rest = self._row_means(((total / n + SMALLEST_PROBABILITY) / c)[None])[0]
        ratios = rest + self._projected(1 / c) / n
        return np.asarray(self._losses(c[None])[0] + 1 - ratios - _SLACK * (1 + ratios))


class _SquaredError(_Bounded):
    """Of members there is the error alone; here the bound is the loss itself, but for rounding."""

    def __init__(self, metric: Metric, predictions: Sequence[Array], y: Array, weights: Weights) -> None:
        super().__init__(metric, predictions, y, weights)
        self._squares = self._row_means(np.square(self.members))

    def _prepared(self, predictions: Array) -> Array:
        return np.asarray(predictions - self.y)

    def _losses(self, means: NDArray[Any]) -> Losses:
        squares = self._row_means(np.square(means, out=means))
        return np.sqrt(squares) if self.metric.name == "rmse" else squares

    def _bounds(self, total: Array, n: int) -> Losses:
        own, products = self._row_means(np.square(total)[None])[0], self._projected(total)
        squares = own + 2 * products + self._squares - _SLACK * (own + self._squares)
        least = np.maximum(squares, 0) / n**2
        return np.sqrt(least) if self.metric.name == "rmse" else np.asarray(least)


def objective(metric: Metric, predictions: Sequence[Array], y: Array, weights: Weights) -> Objective:
    """That of the metric, over members with these predictions."""
    of_metric = {"log_loss": _LogLoss, "mse": _SquaredError, "rmse": _SquaredError}
    return of_metric.get(metric.name, Objective)(metric, predictions, y, weights)
