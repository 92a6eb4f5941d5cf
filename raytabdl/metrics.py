"""Metrics as values; inside the package only their losses travel (smaller is better, 0 is perfect).

Predictions are probabilities of shape (n, n_classes) and targets are class codes for a classification; both are
values of shape (n,) for a regression. Weights, of shape (n,), say how much each row counts; None, all the same.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from raytabdl.exceptions import SettingError
from raytabdl.inputs import Array, Error, TaskType, Truth, Weights
from raytabdl.spread import median

UNMEASURABLE = (ValueError, LookupError, ArithmeticError)
"""What a metric raises of rows that lack what it needs: scikit-learn's a ValueError, and what others have written
looks for a class that is not there, or divides by its rows."""


@dataclass(frozen=True)
class Metric:
    """A measure of predictions.

    ``value(y, predictions)`` is in the metric's own direction; ``best`` is the value of a perfect
    prediction, where ``greater_is_better`` is true. One that ``takes_weights`` has them as a third argument.
    ``error`` is what models of a regression are trained to make small, to be good by the metric.
    """

    name: str
    value: Callable[..., float]
    greater_is_better: bool
    best: float = 1.0
    takes_weights: bool = False
    error: Error = Error.SQUARED

    def measure(self, y: NDArray[Any], predictions: Array, weights: Weights = None) -> float:
        """The value, of weighted rows where it takes weights."""
        return self.value(y, predictions, *((weights,) if self.takes_weights and weights is not None else ()))

    def loss(self, y: NDArray[Any], predictions: Array, weights: Weights = None) -> float:
        """The distance to a perfect prediction."""
        return self.loss_of(self.measure(y, predictions, weights))

    def loss_of_some(self, y: NDArray[Any], predictions: Array, weights: Weights = None) -> float:
        """The loss on a part of the rows that it can measure; NaN where the part lacks what it needs, such as a class.

        An error that is none of ``UNMEASURABLE`` is a fault, and is raised.
        """
        try:
            return self.loss(y, predictions, weights)
        except UNMEASURABLE:
            return math.nan

    def loss_of(self, value: float) -> float:
        return self.best - value if self.greater_is_better else value

    def value_of(self, loss: float) -> float:
        return self.best - loss if self.greater_is_better else loss


SMALLEST_PROBABILITY = float(np.finfo(np.float64).eps)
"""Below it a probability costs the same in log loss; scikit-learn's bound for float64."""


def log_loss(y: Array, predictions: Array, weights: Weights = None) -> float:
    """The mean negative log probability of the true class."""
    truth = predictions[np.arange(len(y)), y.astype(np.int64)]
    return _mean(-np.log(np.maximum(truth, SMALLEST_PROBABILITY)), weights)


def accuracy(y: Array, predictions: Array, weights: Weights = None) -> float:
    return _mean(predictions.argmax(axis=1) == y, weights)


def balanced_accuracy(y: Array, predictions: Array, weights: Weights = None) -> float:
    """The mean recall over the classes that occur in ``y``."""
    n_classes = predictions.shape[1]
    codes = y.astype(np.int64)
    right = predictions.argmax(axis=1) == codes
    counts = np.bincount(codes, weights, minlength=n_classes)
    hits = np.bincount(codes, right if weights is None else right * weights, minlength=n_classes)
    return float((hits[counts > 0] / counts[counts > 0]).mean())


def roc_auc(y: Array, predictions: Array, weights: Weights = None) -> float:
    """The area under the ROC curve; for several classes the mean of one-vs-rest over the classes that occur.

    0.5 where only one class occurs, since no ranking can be told from another.
    """
    n_classes = predictions.shape[1]
    positives = [1] if n_classes == 2 else [c for c in range(n_classes) if (y == c).any()]
    return float(np.mean([_binary_auc(y == c, predictions[:, c], weights) for c in positives]))


def _binary_auc(positive: NDArray[np.bool_], scores: Array, weights: Weights) -> float:
    """The Mann-Whitney statistic: how often a positive row has the larger score, a tie counting as half."""
    if weights is not None:
        return _weighted_auc(positive, scores, weights)
    n_positive = int(np.count_nonzero(positive))
    n_pairs = n_positive * (len(positive) - n_positive)
    if n_pairs == 0:
        return 0.5
    # Probabilities are in the order of their bits. With the class as the lowest bit one sort ranks and tells.
    values = scores + 0.0
    if values.dtype.itemsize not in (4, 8) or values.min() < 0:
        return _weighted_auc(positive, scores, np.ones(len(scores)))
    bits = values.view(f"u{values.dtype.itemsize}")
    ranked = np.sort(bits << 1 | positive)
    not_above = np.flatnonzero(ranked & 1).sum() - n_positive * (n_positive - 1) // 2
    tied = ranked[:-1][ranked[:-1] ^ ranked[1:] == 1]  # the values that rows of both classes have
    if len(tied):
        ends = [np.searchsorted(ranked, tied + i, side=side) for i in (0, 1) for side in ("left", "right")]
        not_above = not_above - ((ends[1] - ends[0]) * (ends[3] - ends[2])).sum() / 2
    return float(not_above / n_pairs)


def _weighted_auc(positive: NDArray[np.bool_], scores: Array, weights: NDArray[np.float64]) -> float:
    """The same of pairs that weigh the product of their rows' weights."""
    order = np.argsort(scores)
    ranked, is_positive, weights = scores[order], positive[order], weights[order]
    negatives = ranked[~is_positive]
    below = np.append(0.0, np.cumsum(weights[~is_positive]))  # the weight of the first k negative rows
    own = weights[is_positive]
    if len(own) == 0 or len(negatives) == 0:
        return 0.5
    places = [np.searchsorted(negatives, ranked[is_positive], side=side) for side in ("left", "right")]
    return float((own * (below[places[0]] + below[places[1]])).sum() / (2 * own.sum() * below[-1]))


def average_precision(y: Array, predictions: Array, weights: Weights = None) -> float:
    """The step-wise area under the precision-recall curve, for several classes the mean over those that occur."""
    n_classes = predictions.shape[1]
    positives = [1] if n_classes == 2 else [c for c in range(n_classes) if (y == c).any()]
    return float(np.mean([_binary_average_precision(y == c, predictions[:, c], weights) for c in positives]))


def _binary_average_precision(positive: NDArray[np.bool_], scores: Array, weights: Weights) -> float:
    """The sum of (R_n - R_(n-1)) P_n over the distinct scores; 0 without a positive row."""
    if not positive.any():
        return 0.0
    order = np.argsort(-scores)
    ranked = scores[order]
    last_of_ties = np.append(np.flatnonzero(ranked[1:] != ranked[:-1]), len(ranked) - 1)
    own = np.ones(len(ranked)) if weights is None else weights[order]
    hits = np.cumsum(own * positive[order])[last_of_ties]
    precision = hits / np.cumsum(own)[last_of_ties]
    return float((np.diff(hits, prepend=0) * precision).sum() / hits[-1])


def _label_metric(name: str, average: str | None) -> Callable[..., float]:
    """Precision, recall or F1 of the most probable class, 0 where nothing was to be divided by.

    Without an average it is that of class 1 where there are two classes, else the mean over the classes that occur
    in the target or among the predictions.
    """

    def value(y: Array, predictions: Array, weights: Weights = None) -> float:
        truth, guess = y.astype(np.int64), predictions.argmax(axis=1)
        of_hits = None if weights is None else weights[truth == guess]
        n_classes = predictions.shape[1]
        hits = np.bincount(truth[truth == guess], of_hits, minlength=n_classes)
        n_true, n_guessed = (np.bincount(codes, weights, minlength=n_classes) for codes in (truth, guess))
        if average == "micro":
            hits, n_true, n_guessed = hits.sum(keepdims=True), n_true.sum(keepdims=True), n_guessed.sum(keepdims=True)
        divisor = {"precision": n_guessed, "recall": n_true, "f1": (n_true + n_guessed) / 2}[name]
        scores = np.divide(hits, divisor, out=np.zeros(len(hits)), where=divisor > 0)
        if average is None and n_classes == 2:
            return float(scores[1])
        return float(np.average(scores, weights=n_true if average == "weighted" else n_true + n_guessed > 0))

    return value


def mse(y: Array, predictions: Array, weights: Weights = None) -> float:
    return _mean(np.square(y - predictions, dtype=np.float64), weights)


def rmse(y: Array, predictions: Array, weights: Weights = None) -> float:
    return float(np.sqrt(mse(y, predictions, weights)))


def mae(y: Array, predictions: Array, weights: Weights = None) -> float:
    return _mean(np.abs(y - predictions), weights)


def median_absolute_error(y: Array, predictions: Array, weights: Weights = None) -> float:
    return median(np.abs(y - predictions), weights)


def msle(y: Array, predictions: Array, weights: Weights = None) -> float:
    """The mean squared difference of log(1 + value); predictions below 0 count as 0."""
    return _mean(np.square(np.log1p(y) - np.log1p(np.maximum(predictions, 0.0))), weights)


def r2(y: Array, predictions: Array, weights: Weights = None) -> float:
    """The share of the variance explained; where the target does not vary 1 if it is met, else 0."""
    error, variance = mse(y, predictions, weights), mse(y, np.full(len(y), _mean(y, weights)), weights)
    return 1.0 - error / variance if variance > 0 else float(error == 0)


def _mean(values: NDArray[Any], weights: Weights) -> float:
    return float(values.mean() if weights is None else np.average(values, weights=weights))


def _built_in(name: str, value: Callable[..., float], greater_is_better: bool, error: Error = Error.SQUARED) -> Metric:
    return Metric(name, value, greater_is_better, takes_weights=True, error=error)


def _f_family() -> dict[str, Metric]:
    suffixes: dict[str, str | None] = {"": None, "_macro": "macro", "_micro": "micro", "_weighted": "weighted"}
    return {
        f"{name}{suffix}": _built_in(f"{name}{suffix}", _label_metric(name, average), True)
        for name in ("f1", "precision", "recall")
        for suffix, average in suffixes.items()
    }


CLASSIFICATION: dict[str, Metric] = {
    "log_loss": _built_in("log_loss", log_loss, False),
    "accuracy": _built_in("accuracy", accuracy, True),
    "balanced_accuracy": _built_in("balanced_accuracy", balanced_accuracy, True),
    "roc_auc": _built_in("roc_auc", roc_auc, True),
    "average_precision": _built_in("average_precision", average_precision, True),
    **_f_family(),
}
REGRESSION: dict[str, Metric] = {
    "rmse": _built_in("rmse", rmse, False),
    "mae": _built_in("mae", mae, False, Error.ABSOLUTE),
    "mse": _built_in("mse", mse, False),
    "msle": _built_in("msle", msle, False, Error.LOGARITHMIC),
    # The median of errors has no slope to go down by, and absolute errors are nearer to it than squared ones.
    "median_absolute_error": _built_in("median_absolute_error", median_absolute_error, False, Error.ABSOLUTE),
    "r2": _built_in("r2", r2, True),
}


def metric(choice: str | Metric | None, task_type: TaskType) -> Metric:
    """The metric of that name, or the default of the task: log loss, or RMSE for a regression."""
    if isinstance(choice, Metric):
        return choice
    known = CLASSIFICATION if task_type.is_classification else REGRESSION
    if choice is None:
        return next(iter(known.values()))
    if choice not in known:
        raise SettingError(
            f"metric must be one of {sorted(known)} for a {task_type.value} task, or a function or a scorer of "
            f"scikit-learn, got {choice!r}; its names go in as sklearn.metrics.get_scorer(name)"
        )
    return known[choice]


def usual(task_type: TaskType) -> tuple[Metric, ...]:
    """The metrics that most readers ask for: those of leaderboards and reports."""
    names = ("log_loss", "roc_auc", "accuracy") if task_type.is_classification else ("rmse", "mae", "r2")
    known = CLASSIFICATION if task_type.is_classification else REGRESSION
    return tuple(known[name] for name in names)


MOST_RANKED = 200_000
"""Probabilities, rows times classes, above which average precision is not logged: it sorts the rows for each class."""


def logged(task_type: TaskType, truth: Truth, predictions: Array) -> dict[str, float]:
    """The values of the metrics that are logged beside the one that is optimised: all of the task, by their names.

    NaN where one has none, as the logarithm of what is below -1. What would take long is left out: see ``MOST_RANKED``.
    """
    known = CLASSIFICATION if task_type.is_classification else REGRESSION
    left_out = {"average_precision"} if predictions.size > MOST_RANKED else set()
    with np.errstate(invalid="ignore", divide="ignore"):
        return {
            name: metric.measure(truth.y, predictions, truth.weights)
            for name, metric in known.items()
            if name not in left_out
        }
