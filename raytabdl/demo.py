"""The main job on the bundled table: fit, and score on held-out rows beside a baseline."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.model_selection import train_test_split

from raytabdl import datasets
from raytabdl.estimators import TabularClassifier
from raytabdl.inputs import Array, TaskType
from raytabdl.metrics import usual


@dataclass(frozen=True)
class HeldOut:
    """The rows that a fit does not see, and the ones that it was given."""

    X_train: pd.DataFrame
    y_train: pd.Series
    X_test: pd.DataFrame
    y_test: pd.Series


def fit_demo(seconds_left: Callable[[], float], seed: int, out: Path | str | None) -> tuple[TabularClassifier, HeldOut]:
    """A classifier of the table adult (48,842 rows), fitted on three quarters of its rows."""
    X, y = datasets.load("adult")
    X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.25, stratify=y, random_state=0)
    sys.stderr.write(f"adult: {len(X):,} rows, of which {len(X_test):,} are held out; predict {y.name!r}\n")
    clf = TabularClassifier(seconds_left(), seed=seed, run_folder=out, progress=True)
    return clf.fit(X_train, y_train), HeldOut(X_train, y_train, X_test, y_test)


def score_demo(clf: TabularClassifier, rows: HeldOut) -> pd.DataFrame:
    """Scores on the held-out rows: of the ensemble, of its best single member, and of the baseline."""
    member, single = _best_single(clf, rows.X_test)
    baseline = HistGradientBoostingClassifier(categorical_features="from_dtype", random_state=0)
    baseline.fit(rows.X_train, rows.y_train)
    predictions = {
        "raytabdl, the ensemble": clf.predict_proba(rows.X_test),
        f"raytabdl, the best single pipeline ({member})": single,
        "scikit-learn, HistGradientBoosting": baseline.predict_proba(rows.X_test),
    }
    codes = pd.Categorical(rows.y_test, categories=clf.classes_).codes.astype(np.float64)
    metrics = usual(TaskType.BINARY)
    return pd.DataFrame([{"": name, **{m.name: m.value(codes, p) for m in metrics}} for name, p in predictions.items()])


def _best_single(clf: TabularClassifier, X: pd.DataFrame) -> tuple[str, Array]:
    """The member with the lowest validation loss, and its probabilities. The selection starts with it."""
    predictor = clf.predictor_
    results = [result for result in clf.folder_.history().results if result.member in predictor.members]
    best = min(results, key=lambda result: result.loss)
    assert best.member is not None
    return best.member, predictor.members[best.member].predict(predictor.schema.encode(X))
