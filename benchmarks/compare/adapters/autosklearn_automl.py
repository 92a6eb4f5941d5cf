"""auto-sklearn 0.15."""

from __future__ import annotations

import autosklearn.metrics
import pandas as pd
from autosklearn.classification import AutoSklearnClassifier
from autosklearn.regression import AutoSklearnRegressor

from protocol import Cell, Fitted, main

METRICS = {
    "roc_auc": autosklearn.metrics.roc_auc,
    "log_loss": autosklearn.metrics.log_loss,
    "rmse": autosklearn.metrics.root_mean_squared_error,
}


def fit(cell: Cell, X: pd.DataFrame, y: pd.Series) -> Fitted:
    cls = AutoSklearnClassifier if cell.is_classification else AutoSklearnRegressor
    model = cls(
        time_left_for_this_task=int(cell.seconds),
        per_run_time_limit=max(int(cell.seconds / 3), 5),  # its default, a tenth, lets nothing finish in a minute
        n_jobs=cell.n_cores,
        seed=cell.seed,
        memory_limit=4096,
        metric=METRICS[cell.metric],
        tmp_folder=cell.scratch + "/autosklearn",
    )
    model.fit(X, y)
    n_models = sum(status == "Success" for status in model.cv_results_["status"])
    if not cell.is_classification:
        return Fitted(model.predict, n_models=n_models)
    classes = model.automl_.InputValidator.target_validator.classes_
    return Fitted(model.predict_proba, list(classes), n_models)


if __name__ == "__main__":
    main(fit)
