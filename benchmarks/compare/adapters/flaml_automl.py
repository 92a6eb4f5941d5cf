"""FLAML with its own list of learners."""

from __future__ import annotations

import pandas as pd
from flaml import AutoML

from protocol import Cell, Fitted, main


def fit(cell: Cell, X: pd.DataFrame, y: pd.Series) -> Fitted:
    model = AutoML()
    model.fit(
        X_train=X,
        y_train=y,
        task="classification" if cell.is_classification else "regression",
        metric=cell.metric,
        time_budget=cell.seconds,
        n_jobs=cell.n_cores,
        seed=cell.seed,
        verbose=0,
        log_file_name="",
        **cell.options,
    )
    if not cell.is_classification:
        return Fitted(model.predict, n_models=model._track_iter)
    return Fitted(model.predict_proba, list(model.classes_), model._track_iter)


if __name__ == "__main__":
    main(fit)
