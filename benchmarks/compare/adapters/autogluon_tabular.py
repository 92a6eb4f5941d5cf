"""AutoGluon. Its foundation models need weights from a hub, which are not there without a network."""

from __future__ import annotations

import pandas as pd
from autogluon.tabular import TabularPredictor

from protocol import Cell, Fitted, main

METRICS = {"roc_auc": "roc_auc", "log_loss": "log_loss", "rmse": "root_mean_squared_error"}


def fit(cell: Cell, X: pd.DataFrame, y: pd.Series) -> Fitted:
    predictor = TabularPredictor(
        cell.target, problem_type=cell.task, eval_metric=METRICS[cell.metric], path=cell.scratch, verbosity=1
    ).fit(
        X.assign(**{cell.target: y.to_numpy()}),
        time_limit=cell.seconds,
        num_cpus=cell.n_cores,
        num_gpus=0,
        **cell.options,
    )
    n_models = len(predictor.model_names())
    if not cell.is_classification:
        return Fitted(lambda rows: predictor.predict(rows).to_numpy(), n_models=n_models)
    labels = list(predictor.class_labels)
    return Fitted(lambda rows: predictor.predict_proba(rows)[labels].to_numpy(), labels, n_models)


if __name__ == "__main__":
    main(fit)
