"""raytabdl through its public interface, as a user would call it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from protocol import Cell, Fitted, main
from raytabdl import TabularClassifier, TabularRegressor
from raytabdl.pipeline import load_model
from raytabdl.quick import with_quick
from raytabdl.space import Choices


def fit(cell: Cell, X: pd.DataFrame, y: pd.Series) -> Fitted:
    cls = TabularClassifier if cell.is_classification else TabularRegressor
    model = cls(
        cell.seconds, metric=cell.metric, seed=cell.seed, run_folder=Path(cell.scratch) / "run", progress=False
    ).fit(X, y)
    predict = model.predict_proba if cell.is_classification else model.predict
    classes = list(model.classes_) if cell.is_classification else None
    return Fitted(predict, classes, len(model.leaderboard()), lambda rows: snapshots(model, rows))


def snapshots(model: TabularClassifier | TabularRegressor, rows: pd.DataFrame) -> list[tuple[float, np.ndarray]]:
    """The predictions of each ensemble of the run's trajectory: every member predicts once."""
    folder, last = model.folder_, model.predictor_
    known = with_quick(Choices())
    inputs = last.schema.encode(rows)
    trajectory = folder.read_trajectory()
    names = {name for _, ensemble in trajectory for name in ensemble.weights}
    predictions = {name: load_model(folder.model(name), known).predict(inputs) for name in names}
    return [(seconds, ensemble.predict(predictions)) for seconds, ensemble in trajectory]


if __name__ == "__main__":
    main(fit)
