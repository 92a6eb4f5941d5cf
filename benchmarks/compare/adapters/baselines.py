"""Single models with their libraries' default settings; the budget is ignored."""

from __future__ import annotations

import numpy as np
import pandas as pd
from catboost import CatBoostClassifier, CatBoostRegressor
from lightgbm import LGBMClassifier, LGBMRegressor
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

from protocol import Cell, Fitted, categories, main

MAX_LEVELS = 255
"""Of HistGradientBoosting; columns with more levels are given as codes."""


def fit(cell: Cell, X: pd.DataFrame, y: pd.Series) -> Fitted:
    model, prepare = {"dummy": dummy, "hgb": hgb, "catboost": catboost, "lightgbm": lightgbm}[cell.options["model"]](
        cell, X
    )
    model.fit(prepare(X), y)
    if not cell.is_classification:
        return Fitted(lambda rows: model.predict(prepare(rows)), n_models=1)
    return Fitted(lambda rows: model.predict_proba(prepare(rows)), list(model.classes_), n_models=1)


def dummy(cell: Cell, X: pd.DataFrame):
    model = DummyClassifier(strategy="prior") if cell.is_classification else DummyRegressor()
    return model, lambda rows: np.zeros((len(rows), 1))


def hgb(cell: Cell, X: pd.DataFrame):
    cls = HistGradientBoostingClassifier if cell.is_classification else HistGradientBoostingRegressor
    many = {name: X[name].cat.categories for name in categories(X) if X[name].nunique() > MAX_LEVELS}
    empty = list(X.columns[X.isna().all()])

    def prepare(rows: pd.DataFrame) -> pd.DataFrame:  # it refuses a column without any value
        codes = {name: pd.Categorical(rows[name], levels).codes for name, levels in many.items()}
        return rows.assign(**codes).drop(columns=empty)

    return cls(categorical_features="from_dtype", random_state=cell.seed), prepare


def catboost(cell: Cell, X: pd.DataFrame):
    cls = CatBoostClassifier if cell.is_classification else CatBoostRegressor
    names = categories(X)
    model = cls(
        cat_features=names,
        thread_count=cell.n_cores,
        random_seed=cell.seed,
        verbose=False,
        allow_writing_files=False,
    )

    def prepare(rows: pd.DataFrame) -> pd.DataFrame:  # it refuses a missing category
        return rows.assign(**{name: rows[name].astype(object).fillna("missing") for name in names})

    return model, prepare


def lightgbm(cell: Cell, X: pd.DataFrame):
    cls = LGBMClassifier if cell.is_classification else LGBMRegressor
    return cls(n_jobs=cell.n_cores, random_state=cell.seed, verbose=-1), lambda rows: rows


if __name__ == "__main__":
    main(fit)
