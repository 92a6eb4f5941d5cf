"""RealMLP and TabM of pytabkit with their tuned defaults; the budget is ignored, which they know nothing of."""

from __future__ import annotations

import pandas as pd
import pytabkit

from protocol import Cell, Fitted, categories, main

METRICS = {"roc_auc": "1-auc_ovr", "log_loss": "cross_entropy", "rmse": "rmse"}


def fit(cell: Cell, X: pd.DataFrame, y: pd.Series) -> Fitted:
    kind = "Classifier" if cell.is_classification else "Regressor"
    model = getattr(pytabkit, f"{cell.options['model']}_{kind}")(
        n_threads=cell.n_cores, random_state=cell.seed, val_metric_name=METRICS[cell.metric], device="cpu"
    )
    names = categories(X)
    medians = X.drop(columns=names).median().fillna(0.0)

    def prepare(rows: pd.DataFrame) -> pd.DataFrame:  # numbers must not be missing
        return rows.assign(**{name: rows[name].fillna(value) for name, value in medians.items()})

    model.fit(prepare(X), y.to_numpy(), cat_col_names=names)
    if not cell.is_classification:
        return Fitted(lambda rows: model.predict(prepare(rows)), n_models=1)
    return Fitted(lambda rows: model.predict_proba(prepare(rows)), list(model.classes_), n_models=1)


if __name__ == "__main__":
    main(fit)
