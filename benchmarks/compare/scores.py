"""Scores of predictions, and the reasons for which there are none."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    log_loss,
    r2_score,
    roc_auc_score,
    root_mean_squared_error,
)

IS_GREATER_BETTER = {
    "roc_auc": True,
    "log_loss": False,
    "accuracy": True,
    "balanced_accuracy": True,
    "rmse": False,
    "r2": True,
}

MAX_SUM_ERROR = 1e-2
"""How far the probabilities of a row may be from a sum of 1; within it they are divided by their sum."""


class UnusablePredictionsError(ValueError):
    """Predictions that have no score: the message says why."""


def score(
    task: str, y_train: pd.Series, y_test: pd.Series, predictions: NDArray[Any], classes: Sequence[str] | None
) -> dict[str, float]:
    """All metrics of the task, by scikit-learn.

    Raises UnusablePredictionsError for a wrong shape, missing or infinite values, and what are no probabilities.
    """
    if task == "regression":
        values = _checked(predictions, (len(y_test),))
        return {"rmse": float(root_mean_squared_error(y_test, values)), "r2": float(r2_score(y_test, values))}
    labels = sorted(set(y_train.astype(str)))
    if classes is None or sorted(classes) != labels:
        raise UnusablePredictionsError(f"the classes are {classes}, those of the training rows {labels}")
    order = [list(classes).index(label) for label in labels]
    probabilities = _checked(predictions, (len(y_test), len(labels)))[:, order]
    sums = probabilities.sum(axis=1, keepdims=True)
    if (probabilities < 0).any() or np.abs(sums - 1).max() > MAX_SUM_ERROR:
        raise UnusablePredictionsError(f"the rows' probabilities sum to {sums.min():.4g} to {sums.max():.4g}, not 1")
    return _probability_scores(labels, y_test.astype(str).to_numpy(), probabilities / sums)


def _probability_scores(labels: list[str], y: NDArray[Any], probabilities: NDArray[Any]) -> dict[str, float]:
    guesses = np.array(labels)[probabilities.argmax(axis=1)]
    scores = {
        "log_loss": float(log_loss(y, probabilities, labels=labels)),
        "accuracy": float(accuracy_score(y, guesses)),
        "balanced_accuracy": float(balanced_accuracy_score(y, guesses)),
    }
    if len(labels) == 2:
        return {"roc_auc": float(roc_auc_score(y == labels[1], probabilities[:, 1])), **scores}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a class that no test row has
        areas = [roc_auc_score(y == label, probabilities[:, i]) for i, label in enumerate(labels) if (y == label).any()]
    return {"roc_auc": float(np.mean(areas)), **scores}


def _checked(predictions: NDArray[Any], shape: tuple[int, ...]) -> NDArray[np.float64]:
    if predictions.shape != shape:
        raise UnusablePredictionsError(f"predictions have the shape {predictions.shape}, not {shape}")
    try:
        values = predictions.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise UnusablePredictionsError(f"predictions are no numbers: {error}") from error
    if not np.isfinite(values).all():
        raise UnusablePredictionsError(f"{(~np.isfinite(values)).sum()} predictions are NaN or infinite")
    return values
