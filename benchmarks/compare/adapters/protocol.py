"""What a system's adapter reads and writes, inside the system's own virtual environment.

Runs on Python 3.8 with numpy, pandas and pyarrow only. The test targets are not among the files, and nothing is
scored here.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq


@dataclass(frozen=True)
class Cell:
    """What a system is asked for. ``task`` is binary, multiclass or regression; ``options`` are the system's own."""

    task: str
    target: str
    metric: str
    seconds: float
    n_cores: int
    seed: int
    options: dict[str, Any]
    distributions: list[str]
    folder: Path

    @property
    def is_classification(self) -> bool:
        return self.task != "regression"

    @property
    def scratch(self) -> str:
        """A folder for what the system writes."""
        path = self.folder / "scratch"
        path.mkdir(exist_ok=True)
        return str(path)


@dataclass(frozen=True)
class Fitted:
    """``predict`` maps a table to values, or to a probability for each of ``classes``, in their order."""

    predict: Callable[[pd.DataFrame], Any]
    classes: list[str] | None = None
    n_models: int | None = None
    snapshots: Callable[[pd.DataFrame], list[tuple[float, Any]]] = lambda X: []
    """What the system would have answered earlier: (seconds from the start of the fit, predictions)."""


def main(
    fit: Callable[[Cell, pd.DataFrame, pd.Series], Fitted], set_up: Callable[[Cell], None] = lambda cell: None
) -> None:
    """Fits and predicts the cell whose folder is the first argument; imports and ``set_up`` are outside the clock."""
    folder = Path(sys.argv[1])
    record = json.loads((folder / "cell.json").read_text())
    cell = Cell(folder=folder, **record)
    X, X_test = _read(folder / "train.parquet"), _read(folder / "test.parquet")
    y = X.pop(cell.target)
    y = pd.Series(y.astype(object).to_numpy() if cell.is_classification else y.to_numpy(float), name=cell.target)
    set_up(cell)
    (folder / "began").write_text(str(time.time()))
    began = time.perf_counter()
    fitted = fit(cell, X, y)
    fit_seconds = time.perf_counter() - began
    began = time.perf_counter()
    predictions = np.asarray(fitted.predict(X_test))
    predict_seconds = time.perf_counter() - began
    np.save(folder / "predictions.npy", predictions, allow_pickle=False)
    snapshots = fitted.snapshots(X_test)
    for number, (_, earlier) in enumerate(snapshots):
        np.save(folder / f"snapshot-{number}.npy", np.asarray(earlier), allow_pickle=False)
    answer = {
        "fit_seconds": fit_seconds,
        "predict_seconds": predict_seconds,
        "classes": None if fitted.classes is None else [str(label) for label in fitted.classes],
        "n_models": fitted.n_models,
        "snapshots": [seconds for seconds, _ in snapshots],
        "versions": {name: metadata.version(name) for name in cell.distributions},
        "python": ".".join(map(str, sys.version_info[:3])),
    }
    (folder / "answer.json").write_text(json.dumps(answer))
    # What a system leaves running (servers, threads that never end) is not the comparison's to wait for.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def categories(X: pd.DataFrame) -> list[str]:
    """The names of the columns that are no numbers."""
    return [name for name in X.columns if not pd.api.types.is_numeric_dtype(X[name])]


def as_codes(y: pd.Series) -> tuple[np.ndarray, list[str]]:
    """Labels as 0, 1, ... in the order of the sorted classes, for systems that want numbers."""
    classes, codes = np.unique(y.to_numpy(str), return_inverse=True)
    return codes, classes.tolist()


def _read(path: Path) -> pd.DataFrame:
    return pq.read_table(str(path)).to_pandas()
