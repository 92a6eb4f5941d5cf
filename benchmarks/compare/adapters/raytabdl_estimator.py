"""raytabdl through its public interface, as a user would call it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from protocol import Cell, Fitted, main
from raytabdl import TabularClassifier, TabularRegressor
from raytabdl.space import Choices
from raytabdl.trajectory import replay


def fit(cell: Cell, X: pd.DataFrame, y: pd.Series) -> Fitted:
    cls = TabularClassifier if cell.is_classification else TabularRegressor
    model = cls(
        cell.seconds, metric=cell.metric, seed=cell.seed, run_folder=Path(cell.scratch) / "run", progress=False
    ).fit(X, y)
    predict = model.predict_proba if cell.is_classification else model.predict
    classes = list(model.classes_) if cell.is_classification else None
    return Fitted(predict, classes, len(model.leaderboard()), lambda rows: snapshots(model, rows))


def snapshots(model: TabularClassifier | TabularRegressor, rows: pd.DataFrame) -> list[tuple[float, np.ndarray]]:
    """The predictions of each ensemble of the run's trajectory."""
    inputs = model.predictor_.schema.encode(rows)
    replayed = replay(model.folder_, model.predictor_, Choices(), inputs)
    return [(seconds, predictions) for seconds, _, predictions in replayed]


if __name__ == "__main__":
    main(fit)
