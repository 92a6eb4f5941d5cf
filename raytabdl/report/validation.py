"""What the ensemble predicts for rows that it was not trained on, and which columns it needs for that."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from raytabdl.analysis.permutation import permutation_importance
from raytabdl.decisions import as_measured, decided
from raytabdl.ensemble import Ensemble
from raytabdl.inputs import Array, Inputs, Weights
from raytabdl.metrics import Metric, usual
from raytabdl.names import fold_of, trial_of
from raytabdl.predictor import Predictor
from raytabdl.report.facts import Calibration, Confusion, Feature, Features, Residuals, Validation
from raytabdl.run_folder import RunFolder
from raytabdl.schema import Kind, Schema
from raytabdl.task import Task

FEATURE_SECONDS = 5.0
"""What the importance of features may take."""

FEATURE_ROWS = 2_000
"""Validation rows that it is measured on, where there is time for them."""

LEAST_FEATURE_ROWS = 100

MAX_CLASSES = 12
"""Of a confusion matrix; the others stand together."""

N_BINS = 10
N_SAMPLE = 400
QUANTILES = {"5 %": 0.05, "25 %": 0.25, "median": 0.5, "75 %": 0.75, "95 %": 0.95}
OTHERS = "(others)"


def validation(
    folder: RunFolder, ensemble: Ensemble, task: Task, labels: tuple[str, ...] | None, left_out: dict[str, str]
) -> Validation | None:
    """The ensemble on the validation rows of each fold that all its trials were trained on the other folds of."""
    if not ensemble.weights:
        left_out["validation"] = "there is no ensemble yet"
        return None
    y, row_weights, predictions = _predictions(folder, ensemble, task)
    scores = {
        metric.name: metric.measure(y, as_measured(predictions, ensemble.factors, metric.name), row_weights)
        for metric in usual(task.target.task_type)
    }
    if labels is None:
        return Validation(len(y), scores, None, None, _residuals(y, predictions))
    codes = y.astype(np.int64)
    confusion = _confusion(codes, decided(predictions, ensemble.factors), labels)
    return Validation(len(y), scores, confusion, _calibration(codes, predictions, labels), None)


def features(predictor: Predictor | None, task: Task, metric: Metric, left_out: dict[str, str]) -> Features | None:
    """Permutation importance by the ensemble's models of the first fold, on its validation rows."""
    if predictor is None:
        left_out["features"] = (
            "it needs the ensemble of a run that has ended; where models are classes of your own, call report() of the "
            "estimator"
        )
        return None
    if not task.schema.columns:
        left_out["features"] = "no column is used"
        return None
    weights = _weights_on(0, predictor.ensemble)

    def predict(inputs: Inputs) -> Array:
        own = Ensemble(weights, 0.0, scaling=predictor.ensemble.scaling)
        mean = own.predict({m: predictor.members[m].predict(inputs) for m in weights})
        return as_measured(mean, predictor.ensemble.factors, metric.name)

    groups = _groups(task.schema)
    names = list(groups)
    rows = np.random.default_rng(0).permutation(task.split(0)[1])[:FEATURE_ROWS]
    rows = rows[: _affordable(predict, task.inputs.take(rows), len(names))]
    inputs, y = task.inputs.take(rows), task.y[rows]
    worth = permutation_importance(predict, inputs, y, metric, groups=list(groups.values()), seconds=FEATURE_SECONDS)
    found = tuple(Feature(names[each.group], each.loss, each.error) for each in worth)
    if len(found) < len(names):
        left_out["features"] = f"{len(found)} of {len(names)} columns were measured in {FEATURE_SECONDS:g} seconds"
    return Features(metric.name, len(rows), found)


def _affordable(predict: Callable[[Inputs], Array], inputs: Inputs, n_columns: int) -> int:
    """How many of the rows can be predicted in the time with each column shuffled at least once."""
    predict(inputs)  # the first time is no measure
    began = time.monotonic()
    predict(inputs)
    wanted_s = 1.5 * n_columns * (time.monotonic() - began)
    return max(LEAST_FEATURE_ROWS, int(len(inputs) * min(1.0, FEATURE_SECONDS / max(wanted_s, 1e-9))))


def _weights_on(fold: int, ensemble: Ensemble) -> dict[str, float]:
    """The members that are validated on a fold, with the weights of their trials."""
    weights = ensemble.trial_weights()
    return {member: weights[trial_of(member)] for member in ensemble.weights if fold_of(member) == fold}


def _predictions(folder: RunFolder, ensemble: Ensemble, task: Task) -> tuple[Array, Weights, Array]:
    """The targets and weights of the rows, and what the ensemble predicts for them."""
    n_trials = len(ensemble.trial_weights())
    parts = []
    for fold in range(task.n_folds):
        weights = _weights_on(fold, ensemble)
        if len(weights) == n_trials:
            own = Ensemble(weights, 0.0, scaling=ensemble.scaling)
            predictions = own.predict({m: folder.read_predictions(m) for m in weights})
            parts.append((task.split(fold)[1], predictions))
    rows, predictions = (np.concatenate(each) for each in zip(*parts, strict=True))
    return task.y[rows], None if task.inputs.weights is None else task.inputs.weights[rows], predictions


def _confusion(codes: NDArray[np.int64], predictions: Array, labels: tuple[str, ...]) -> Confusion:
    guesses = predictions.argmax(axis=1)
    if len(labels) > MAX_CLASSES:
        frequent = np.argsort(-np.bincount(codes, minlength=len(labels)), kind="stable")[: MAX_CLASSES - 1]
        place = np.full(len(labels), MAX_CLASSES - 1)
        place[frequent] = np.arange(MAX_CLASSES - 1)
        codes, guesses = place[codes], place[guesses]
        labels = (*(labels[code] for code in frequent), OTHERS)
    counts = np.zeros((len(labels), len(labels)), np.int64)
    np.add.at(counts, (codes, guesses), 1)
    return Confusion(labels, tuple(map(tuple, counts.tolist())))


def _calibration(codes: NDArray[np.int64], predictions: Array, labels: tuple[str, ...]) -> Calibration:
    """Of the second class where there are two, else of the most probable one."""
    if len(labels) == 2:
        event, probability, came_true = labels[1], predictions[:, 1], codes == 1
    else:
        event, probability, came_true = (
            "the most probable class",
            predictions.max(axis=1),
            predictions.argmax(1) == codes,
        )
    order = np.argsort(probability, kind="stable")
    bins = [rows for rows in np.array_split(order, N_BINS) if len(rows)]
    points = tuple((float(probability[rows].mean()), float(came_true[rows].mean())) for rows in bins)
    distances = [abs(expected - seen) for expected, seen in points]
    return Calibration(event, points, float(np.average(distances, weights=[len(rows) for rows in bins])))


def _residuals(y: Array, predictions: Array) -> Residuals:
    residuals = y - predictions
    quantiles = {name: float(np.quantile(residuals, share)) for name, share in QUANTILES.items()}
    rows = np.sort(np.random.default_rng(0).permutation(len(y))[:N_SAMPLE])
    sample = tuple((float(predictions[row]), float(y[row])) for row in rows)
    return Residuals(float(residuals.mean()), quantiles, sample)


def _groups(schema: Schema) -> dict[str, list[int]]:
    """The columns of the table with their places in ``Inputs``, which has numbers before categories.

    A date with its parts and a text with its words have several.
    """
    numeric = [column.name for column in schema.columns if column.kind is not Kind.CATEGORY]
    groups: dict[str, list[int]] = {}
    for place, name in enumerate([*numeric, *(c.name for c in schema.columns if c.kind is Kind.CATEGORY)]):
        groups.setdefault(name, []).append(place)
    return groups
