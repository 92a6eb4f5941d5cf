"""What the answer of a run was worth as time went by: its ensembles, one after another, on a test set."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from raytabdl.decisions import as_measured
from raytabdl.ensemble import Ensemble
from raytabdl.exceptions import DataError
from raytabdl.inputs import Array, Inputs
from raytabdl.metrics import Metric
from raytabdl.pipeline import load_model
from raytabdl.predictor import Predictor
from raytabdl.quick import with_quick
from raytabdl.run_folder import RunFolder
from raytabdl.space import Choices


def trajectory(folder: RunFolder, metric: Metric) -> pd.DataFrame:
    """A row for each ensemble of a run: ``time`` in seconds, its number of ``models``, and ``valid``, its metric."""
    rows = [(time, len(own.weights), metric.value_of(own.loss)) for time, own in folder.read_trajectory()]
    table = pd.DataFrame(rows, columns=["time", "models", "valid"])
    table.attrs["metric"] = metric.name
    return table


def tested(folder: RunFolder, predictor: Predictor, choices: Choices, metric: Metric, X: Any, y: Array) -> pd.DataFrame:
    """The trajectory with ``test``, the metric on the rows of another table, whose encoded targets are ``y``.

    Raises DataError where the table does not have the columns of training, or as many rows as targets.
    """
    inputs = predictor.schema.encode(X)
    if len(inputs) != len(y):
        raise DataError(f"X_test and y_test must have as many rows, got {len(inputs)} rows and {len(y)} targets")
    values = [
        metric.measure(y, as_measured(predictions, ensemble.factors, metric.name))
        for _, ensemble, predictions in replay(folder, predictor, choices, inputs)
    ]
    return trajectory(folder, metric).assign(test=values)


def replay(
    folder: RunFolder, predictor: Predictor, choices: Choices, inputs: Inputs
) -> Iterator[tuple[float, Ensemble, Array]]:
    """The ensembles of a run with the seconds from the start of the fit, and what each predicts.

    Each of the models, which the folder keeps, predicts once.
    """
    steps, known = folder.read_trajectory(), with_quick(choices)
    predictions = {}
    for name in sorted({name for _, ensemble in steps for name in ensemble.weights}):
        member = predictor.members.get(name) or load_model(folder.model(name), known)
        predictions[name] = member.predict(inputs)
    for seconds, ensemble in steps:
        yield seconds, ensemble, ensemble.predict(predictions).astype(np.float64)
