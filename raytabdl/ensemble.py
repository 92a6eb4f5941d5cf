"""Ensemble selection (Caruana et al. 2004): a weighted mean of models, grown while the search runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from raytabdl.inputs import Array
from raytabdl.metrics import SMALLEST_PROBABILITY, Metric

Losses = NDArray[np.float64]
_SMALLEST = 1e-12


@dataclass(frozen=True)
class Ensemble:
    """Weights of members that sum to 1, and the loss of their weighted mean on the validation rows."""

    weights: Mapping[str, float]
    loss: float

    def predict(self, predictions: Mapping[str, Array]) -> Array:
        """The weighted mean of the members' predictions."""
        return np.asarray(sum(weight * predictions[member] for member, weight in self.weights.items()))


def select(predictions: Mapping[str, Array], y: Array, metric: Metric, *, size: int = 25) -> Ensemble:
    """The members, picked one by one with replacement, whose mean has the lowest loss; the best prefix is kept.

    Among equals a member that was picked before wins, then the one with the lowest loss of its own.
    """
    members = list(predictions)
    losses_of = _objective(metric, y)
    stacked: NDArray[Any] = np.stack([_prepare(metric, predictions[member], y) for member in members])
    alone = losses_of(stacked.copy())
    counts = np.zeros(len(members), np.int64)
    total = np.zeros_like(stacked[0])
    best_loss, best_counts = np.inf, counts
    for n_picked in range(1, size + 1):
        means = total + stacked
        means /= n_picked
        losses = losses_of(means)
        ties = np.flatnonzero(losses <= losses.min() + _SMALLEST)
        pick = min(ties, key=lambda member: (counts[member] == 0, alone[member]))
        counts = counts.copy()
        counts[pick] += 1
        total = total + stacked[pick]
        if losses[pick] < best_loss - _SMALLEST:
            best_loss, best_counts = float(losses[pick]), counts
    weights = best_counts / best_counts.sum()
    chosen = sorted(np.flatnonzero(best_counts), key=lambda member: -weights[member])
    return Ensemble({members[member]: float(weights[member]) for member in chosen}, best_loss)


@dataclass
class EnsembleBuilder:
    """Takes validation predictions as they come, and selects among the best of them.

    A trial has one candidate, that of its rung with the lowest loss; what is not better than ``worst_loss``
    (the dummy's) never enters. ``n_best`` candidates are considered, which bounds the time of a selection.
    """

    y: Array
    metric: Metric
    size: int = 25
    n_best: int = 40
    worst_loss: float = np.inf
    predictions: dict[str, Array] = field(default_factory=dict)
    losses: dict[str, float] = field(default_factory=dict)

    def add(self, member: str, predictions: Array) -> float:
        """Keeps a member's predictions and returns their loss; not finite ones are refused with infinity."""
        loss = self.metric.loss(self.y, predictions) if np.isfinite(predictions).all() else float("inf")
        if np.isfinite(loss):
            self.predictions[member] = predictions
            self.losses[member] = loss
        return loss

    def candidates(self) -> list[str]:
        """The best member of each trial, best first, at most ``n_best`` of them."""
        by_trial: dict[str, str] = {}
        for member in sorted(self.losses, key=lambda member: self.losses[member]):
            by_trial.setdefault(trial_of(member), member)
        best = list(by_trial.values())
        better = [member for member in best if self.losses[member] < self.worst_loss]
        return (better or best[:1])[: self.n_best]

    def ensemble(self) -> Ensemble | None:
        """The ensemble of what is there, or None where there is nothing."""
        candidates = self.candidates()
        if not candidates:
            return None
        return select({m: self.predictions[m] for m in candidates}, self.y, self.metric, size=self.size)


def member_key(trial_id: str, budget: int) -> str:
    """The name of a trial's predictions and model at a budget."""
    return f"{trial_id}@{budget}"


def trial_of(member: str) -> str:
    return member.partition("@")[0]


def _prepare(metric: Metric, predictions: Array, y: Array) -> Array:
    """What the objective needs of predictions: for log loss only the probability of the true class."""
    if metric.name == "log_loss":
        return np.asarray(predictions[np.arange(len(y)), y.astype(np.int64)], np.float32)
    return predictions


def _objective(metric: Metric, y: Array) -> Callable[[NDArray[Any]], Losses]:
    """Maps (n_members, n, ...) stacked predictions to the loss of each member; vectorised where the metric allows."""
    if metric.name == "log_loss":
        return _log_losses
    if metric.name == "mse":
        return lambda stacked: np.square(stacked - y).mean(axis=1)
    if metric.name == "rmse":
        return lambda stacked: np.sqrt(np.square(stacked - y).mean(axis=1))
    return lambda stacked: np.array([metric.loss(y, predictions) for predictions in stacked])


def _log_losses(truth: NDArray[Any]) -> Losses:
    """Of probabilities of the true class, (n_members, n), which are overwritten: this is most of a selection's time."""
    np.maximum(truth, SMALLEST_PROBABILITY, out=truth)
    np.log(truth, out=truth)
    return np.asarray(-truth.mean(axis=1, dtype=np.float64))


def leaderboard(builder: EnsembleBuilder, ensemble: Ensemble | None) -> Sequence[tuple[str, float, float]]:
    """(member, loss, weight) of the best member of each trial, best first."""
    weights = ensemble.weights if ensemble else {}
    rows = {member: builder.losses[member] for member in (*builder.candidates(), *weights)}
    return [(m, loss, weights.get(m, 0.0)) for m, loss in sorted(rows.items(), key=lambda item: item[1])]
