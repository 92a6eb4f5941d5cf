"""What a configuration has to get through: a training with a pause, predictions, saving and loading."""

from __future__ import annotations

import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.compare.tables import load
from raytabdl.component import Config, Horizon
from raytabdl.inputs import Array, Inputs, Target
from raytabdl.pipeline import Pipeline, load_model, make_pipeline
from raytabdl.preprocessing import FoldCache
from raytabdl.search.policy import N_FOLDS
from raytabdl.space import Choices
from raytabdl.targets import encode_labels, encode_values, infer_target
from raytabdl.task import Task, make_task

MAX_ROWS = 2_000
_NEW_SHARE = 0.2
_FAR = 1e6

HORIZON = Horizon(max_budget=3, epochs=3, rows_per_epoch=1_000, iteration_share=1 / 18)
"""Three epochs, or some of the iterations of a classic model: the end of all schedules is reached."""


class WrongPredictionsError(ValueError):
    """Predictions that are none, or not those that they should be."""


@dataclass(frozen=True)
class Rows:
    """A table to learn from, and rows of it that are new to what was learned.

    The first new row has neither a number nor a level that is known, and the numbers of the second are far away.
    """

    task: Task
    new: Inputs


def read_rows(name: str) -> Rows:
    """A sample of a table, the same each time."""
    rng = np.random.default_rng(0)
    table = load(name)
    frame = table.frame.iloc[rng.permutation(len(table.frame))[:MAX_ROWS]].reset_index(drop=True)
    n_new = int(_NEW_SHARE * len(frame))
    X, y = frame.iloc[n_new:].drop(columns=table.target), frame.iloc[n_new:][table.target]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of classes with a single row
        values, classes = _encoded(y, table.task)
        task = make_task(X, values, infer_target(classes), N_FOLDS, rng)
    new = task.schema.encode(frame.iloc[:n_new].drop(columns=table.target))
    new.numeric[0], new.categorical[0] = np.nan, 0
    new.numeric[1] *= _FAR
    return Rows(task, new)


def _encoded(y: pd.Series, task: str) -> tuple[Any, Any]:
    """The target as models learn it, and the classes of a classification."""
    if task == "regression":
        return encode_values(y), None
    return encode_labels(y)


def run_trial(config: Config, choices: Choices, rows: Rows, seed: int) -> None:
    """Trains as a trial does that is paused after its first epoch. Raises whatever goes wrong."""
    task = rows.task
    valid = task.inputs.take(task.split(0)[1])
    with tempfile.TemporaryDirectory() as name:
        cache = FoldCache(Path(name) / "cache")
        begun, resumed = (make_pipeline(config, choices, task.target, HORIZON, seed, cache) for _ in range(2))
        next(begun.train(task, 0))
        _must_have_learned(begun)
        progress, model = Path(name) / "progress", Path(name) / "model"
        progress.mkdir()
        model.mkdir()
        begun.save_progress(progress)
        resumed.load_progress(task, 0, progress)
        for _ in resumed.train(task, 0):
            pass
        best = _must_have_learned(resumed)
        _must_be_predictions(best, len(valid), task.target, "the validation rows while it was trained")
        _must_agree(resumed.predict(valid), best, 1e-4, "the validation rows after training and while it was trained")
        predictions = resumed.predict(rows.new)
        _must_be_predictions(predictions, len(rows.new), task.target, "new rows")
        resumed.save(model)
        loaded = load_model(model, choices).predict(rows.new)
        _must_agree(loaded, predictions, 1e-6, "new rows once saved and loaded")


def _must_have_learned(pipeline: Pipeline) -> Array:
    """The predictions of the best point. Raises FloatingPointError, as the trainable does, where there is none."""
    if pipeline.best_predictions is None:
        raise FloatingPointError(f"no epoch up to budget {pipeline.budget} gave finite predictions")
    return pipeline.best_predictions


def _must_be_predictions(predictions: Array, n: int, target: Target, what: str) -> None:
    is_classification = target.task_type.is_classification
    shape = (n, target.n_classes) if is_classification else (n,)
    if predictions.shape != shape:
        raise WrongPredictionsError(f"predictions of {what} must have the shape {shape}, got {predictions.shape}")
    if not np.isfinite(predictions).all():
        n_odd = int((~np.isfinite(predictions)).sum())
        raise WrongPredictionsError(f"predictions of {what} must be finite, got {n_odd} that are not")
    if not is_classification:
        return
    furthest = float(np.abs(predictions.sum(axis=1, dtype=np.float64) - 1).max())
    if predictions.min() < 0 or furthest > 1e-5:
        raise WrongPredictionsError(
            f"predictions of {what} must be probabilities, got {predictions.min()=:.3g} and a sum {furthest:.3g} from 1"
        )


def _must_agree(predictions: Array, expected: Array, tolerance: float, what: str) -> None:
    """The tolerance is one of probabilities, or in deviations of the predicted values."""
    spread = 1.0 if expected.ndim == 2 else max(float(np.std(expected)), 1e-6 * float(np.abs(expected).max()), 1e-12)
    furthest = float(np.abs(predictions - expected).max()) / spread
    if not furthest <= tolerance:
        raise WrongPredictionsError(f"predictions of {what} must be the same, got a difference of {furthest:.3g}")
