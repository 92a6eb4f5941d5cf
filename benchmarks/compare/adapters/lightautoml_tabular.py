"""LightAutoML's TabularAutoML."""

from __future__ import annotations

import numpy as np
import pandas as pd
from lightautoml.automl.presets.tabular_presets import TabularAutoML
from lightautoml.tasks import Task

from protocol import Cell, Fitted, as_codes, main

TASKS = {"binary": "binary", "multiclass": "multiclass", "regression": "reg"}
METRICS = {"roc_auc": "auc", "log_loss": "crossentropy", "rmse": "mse"}


def fit(cell: Cell, X: pd.DataFrame, y: pd.Series) -> Fitted:
    codes, classes = as_codes(y) if cell.is_classification else (y.to_numpy(), None)
    model = TabularAutoML(
        Task(TASKS[cell.task], metric=METRICS[cell.metric]),
        timeout=cell.seconds,
        cpu_limit=cell.n_cores,
        memory_limit=8,
        reader_params={"n_jobs": cell.n_cores, "random_state": cell.seed},
        **cell.options,
    )
    model.fit_predict(X.assign(**{cell.target: codes}), roles={"target": cell.target}, verbose=0)

    def predict(rows: pd.DataFrame):
        values = np.asarray(model.predict(rows).data)
        if cell.task == "multiclass":
            return values
        values = values[:, 0]
        return values if cell.task == "regression" else np.column_stack([1 - values, values])

    # A multiclass reader may put the codes in an order of its own.
    mapping = getattr(model.reader, "class_mapping", None)
    if cell.task == "multiclass" and mapping is not None:
        classes = [classes[int(code)] for code in sorted(mapping, key=mapping.get)]
    return Fitted(predict, classes)


if __name__ == "__main__":
    main(fit)
