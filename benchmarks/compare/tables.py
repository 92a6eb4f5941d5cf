"""What is compared: real tables, and their splits into training and test rows."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.model_selection import KFold, StratifiedKFold

FIFTEEN = {
    "blood-transfusion-service-center": "binary, 748 rows, 4 numbers: the smallest; many duplicate rows",
    "credit-g": "binary, 1,000 rows, 13 of 20 columns are categories",
    "jasmine": "binary, 2,984 rows, wide: 144 numbers",
    "electricity": "binary, 45,312 rows, 6 numbers: a function that many models only come near",
    "adult": "binary, 48,842 rows, mixed, missing values",
    "anneal": "5 classes, 898 rows, 38 columns that are mostly missing, a class of 8 rows",
    "isolet_subset": "26 classes, 1,560 rows, 617 numbers: wider than a class is long",
    "letter": "26 classes, 20,000 rows, 16 numbers",
    "covertype": "7 classes, 92,962 rows, 54 numbers, 44 of them indicators",
    "fars": "8 classes, 100,968 rows, 22 categories, a class of 9 rows: the largest",
    "airfoil_self_noise": "regression, 1,503 rows, 5 numbers: smooth",
    "ames_housing": "regression, 2,930 rows, 44 of 79 columns are categories, missing values",
    "openintro_loans": "regression, 10,000 rows, a category of 4,411 levels, missing values",
    "house_16H": "regression, 22,784 rows, 16 numbers, heavy-tailed target",
    "diamonds": "regression, 53,940 rows, mixed",
}
"""Five of each task, from 700 to 100,000 rows, and why each is here. Chosen before any system was run on them."""

SHORT = ("credit-g", "adult", "isolet_subset", "covertype", "ames_housing", "diamonds")
"""Two of each task, a small and a large one: what a change is tried on, in under ten minutes."""

N_FOLDS = 4
"""A quarter of the rows is held out in each fold."""

METRICS = {"binary": "roc_auc", "multiclass": "log_loss", "regression": "rmse"}
"""What every system is told to optimise, where it can be told: those of the AutoML Benchmark (Gijsbers et al. 2024)."""


@dataclass(frozen=True)
class Table:
    """A table with its target; labels are text."""

    name: str
    task: str
    target: str
    frame: pd.DataFrame

    @property
    def metric(self) -> str:
        return METRICS[self.task]


@dataclass(frozen=True)
class Split:
    """The training and the test part of a table, the target in a series apart."""

    X_train: pd.DataFrame
    y_train: pd.Series
    X_test: pd.DataFrame
    y_test: pd.Series

    def checksum(self) -> str:
        """The same for two cells only where their training and test targets are, row by row."""
        digest = hashlib.sha256()
        for y in (self.y_train, self.y_test):
            digest.update("\n".join(f"{row} {value}" for row, value in y.items()).encode())
        return digest.hexdigest()[:16]


def data_folder() -> Path:
    """The folder with manifest.json and the tables, named by RAYTABDL_DATA."""
    return Path(os.environ["RAYTABDL_DATA"])


def manifest() -> dict[str, dict[str, Any]]:
    """What is known of each table, by name."""
    return {record["name"]: record for record in json.loads((data_folder() / "manifest.json").read_text())}


def load(name: str) -> Table:
    record = manifest()[name]
    frame = pd.read_parquet(data_folder() / f"{name}.parquet")
    if record["task"] != "regression":
        frame[record["target"]] = frame[record["target"]].astype(str)
    return Table(name, record["task"], record["target"], frame)


def split(table: Table, fold: int) -> Split:
    """Fold ``fold`` of ``N_FOLDS``, stratified by class."""
    y = table.frame[table.target]
    folds = (KFold if table.task == "regression" else StratifiedKFold)(N_FOLDS, shuffle=True, random_state=0)
    train, test = _parts(folds, y)[fold]
    X = table.frame.drop(columns=table.target)
    return Split(X.iloc[train], y.iloc[train], X.iloc[test], y.iloc[test])


def _parts(folds: KFold | StratifiedKFold, y: pd.Series) -> list[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    return list(folds.split(np.zeros(len(y)), y))
