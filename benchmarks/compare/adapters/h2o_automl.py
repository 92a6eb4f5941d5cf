"""H2O AutoML: a JVM of its own, started before the clock, that listens on loopback."""

from __future__ import annotations

import h2o
import pandas as pd
from h2o.automl import H2OAutoML

from protocol import Cell, Fitted, main

METRICS = {"roc_auc": "AUC", "log_loss": "logloss", "rmse": "RMSE"}


def start(cell: Cell) -> None:
    h2o.init(
        ip="127.0.0.1",
        bind_to_localhost=True,
        nthreads=cell.n_cores,
        max_mem_size="8G",
        ice_root=cell.scratch,
        log_dir=cell.scratch,
        verbose=False,
        strict_version_check=False,
    )
    h2o.no_progress()


def fit(cell: Cell, X: pd.DataFrame, y: pd.Series) -> Fitted:
    kinds = {name: "numeric" if pd.api.types.is_numeric_dtype(X[name]) else "enum" for name in X.columns}
    kinds[cell.target] = "enum" if cell.is_classification else "numeric"
    train = h2o.H2OFrame(X.assign(**{cell.target: y.to_numpy()}), column_types=kinds)
    model = H2OAutoML(max_runtime_secs=int(cell.seconds), seed=cell.seed, sort_metric=METRICS[cell.metric])
    model.train(y=cell.target, training_frame=train)
    del kinds[cell.target]

    def predict(rows: pd.DataFrame):
        out = model.leader.predict(h2o.H2OFrame(rows, column_types=kinds)).as_data_frame()
        return out["predict"].to_numpy() if not cell.is_classification else out.iloc[:, 1:].to_numpy()

    classes = train[cell.target].levels()[0] if cell.is_classification else None  # the order of its columns
    return Fitted(predict, classes, model.leaderboard.nrow)


if __name__ == "__main__":
    main(fit, start)
