"""The preprocessing of adult and fars beside scikit-learn's ColumnTransformer with the same steps.

Both take a frame of the training part and one of new rows, and end with the same dense float32 numbers: the mean in
the place of what is missing, zero mean and unit variance, and one column for each level. The tables are read from the
folder named by RAYTABDL_DATA.
"""

from __future__ import annotations

import tempfile
import warnings
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.compare.tables import Split, load, split
from benchmarks.training.timing import Row, compare
from raytabdl.inputs import Target, TaskType
from raytabdl.preprocessing import Chosen, FoldCache, MeanImputer, OneHot, Preprocessing, StandardScaler
from raytabdl.schema import infer_schema
from raytabdl.task import Task, make_task

STEPS = {"scaler": Chosen(StandardScaler, {}), "imputer": Chosen(MeanImputer, {}), "encoder": Chosen(OneHot, {})}


def rows() -> list[Row]:
    rows = []
    for name in ("adult", "fars"):
        parts = split(load(name), 0)
        y = np.unique(parts.y_train, return_inverse=True)[1]
        target = Target(TaskType.BINARY if y.max() == 1 else TaskType.MULTICLASS, int(y.max()) + 1)
        what = f"preprocessing of {name}: {len(parts.X_train):,} rows fitted and mapped, {len(parts.X_test):,} new"
        ours, theirs = partial(package, parts, y, target), partial(column_transformer, parts)
        rows.append(compare(what, "ColumnTransformer, the same steps", ours, theirs, 1.0, repeats=5))
        rows.append(_row_of_cache(f"{name} for a second trial", make_task(parts.X_train, y, target, 5, _rng())))
    return rows


def package(parts: Split, y: NDArray[np.int64], target: Target) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    schema = infer_schema(parts.X_train)
    preprocessing = Preprocessing(STEPS)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of levels that the training part lacks
        train, _ = preprocessing.fit_resample(schema.encode(parts.X_train), y, target, seed=0)
        return train.numeric, preprocessing.transform(schema.encode(parts.X_test)).numeric


def column_transformer(parts: Split) -> tuple[Any, Any]:
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    numbers = [name for name in parts.X_train if pd.api.types.is_numeric_dtype(parts.X_train[name])]
    others = [name for name in parts.X_train if name not in numbers]
    one_hot = OneHotEncoder(handle_unknown="ignore", sparse_output=False, dtype=np.float32)
    transformer = ColumnTransformer(
        [("numbers", make_pipeline(SimpleImputer(), StandardScaler()), numbers), ("categories", one_hot, others)]
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        train = np.asarray(transformer.fit_transform(parts.X_train), np.float32)
        return train, np.asarray(transformer.transform(parts.X_test), np.float32)


def _row_of_cache(what: str, task: Task) -> Row:
    """What the second trial of a search with the same steps waits for: the files of the first."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        Preprocessing(STEPS).prepare(task, 0, FoldCache(folder))

        def cached() -> None:
            Preprocessing(STEPS).prepare(task, 0, FoldCache(folder))

        def computed() -> None:
            Preprocessing(STEPS).prepare(task, 0, FoldCache())

        return compare(what, "the first trial", cached, computed, None, repeats=5)


def _rng() -> np.random.Generator:
    return np.random.default_rng(0)
