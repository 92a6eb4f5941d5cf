"""Auto-PyTorch 0.2.1. It ends about half a minute after its limit, so it is given 30 seconds less."""

from __future__ import annotations

import numpy as np
import pandas as pd
from autoPyTorch.api.tabular_classification import TabularClassificationTask
from autoPyTorch.api.tabular_regression import TabularRegressionTask

from protocol import Cell, Fitted, as_codes, main

METRICS = {"roc_auc": "roc_auc", "log_loss": "log_loss", "rmse": "root_mean_squared_error"}
LATE_SECONDS = 30


def fit(cell: Cell, X: pd.DataFrame, y: pd.Series) -> Fitted:
    codes, classes = as_codes(y) if cell.is_classification else (y.to_numpy(), None)
    cls = TabularClassificationTask if cell.is_classification else TabularRegressionTask
    api = cls(
        temporary_directory=cell.scratch + "/temporary",
        output_directory=cell.scratch + "/output",
        delete_tmp_folder_after_terminate=False,
        delete_output_folder_after_terminate=False,
        n_jobs=cell.n_cores,
        seed=cell.seed,
    )
    limit = max(int(cell.seconds) - LATE_SECONDS, 10)
    api.search(
        X_train=X,
        y_train=codes,
        optimize_metric=METRICS[cell.metric],
        total_walltime_limit=limit,
        func_eval_time_limit_secs=max(limit // 3, 10),  # with a sixth of so little, networks seldom finish
        memory_limit=8192,
        **cell.options,
    )
    n_models = sum(value.status.name == "SUCCESS" for value in api.run_history.data.values())
    if not cell.is_classification:
        return Fitted(lambda rows: np.ravel(api.predict(rows)), n_models=n_models)
    return Fitted(api.predict_proba, classes, n_models)


if __name__ == "__main__":
    main(fit)
