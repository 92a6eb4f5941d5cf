from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import log_loss, root_mean_squared_error

from benchmarks.compare.tables import Split
from benchmarks.references.data import Data, Part, without_missing
from benchmarks.references.run import Record, report
from benchmarks.references.sides import Side
from benchmarks.training.preprocessing import column_transformer, package
from raytabdl import datasets
from raytabdl.inputs import Target, TaskType


def test_our_preprocessing_and_that_of_scikit_learn_give_the_same_numbers():
    X, y = datasets.load("adult")
    X, codes = X.iloc[:600], np.unique(y.iloc[:600], return_inverse=True)[1]
    parts = Split(X.iloc[:500], y.iloc[:500], X.iloc[500:], y.iloc[500:600])
    ours = package(parts, codes[:500], Target(TaskType.BINARY, 2))
    theirs = column_transformer(parts)
    for our, their in zip(ours, theirs, strict=True):
        our, their = (columns[:, np.lexsort(np.round(columns, 3))] for columns in (our, their))
        np.testing.assert_allclose(our, their, atol=1e-3)


def test_losses_are_those_of_scikit_learn():
    rng = np.random.default_rng(0)
    y, probabilities = rng.integers(3, size=50), rng.dirichlet(np.ones(3), size=50)
    part = Part(pd.DataFrame(), y)
    data = Data(Target(TaskType.MULTICLASS, 3), part, part, part)
    assert data.loss(probabilities, part) == pytest.approx(log_loss(y, probabilities))
    part = Part(pd.DataFrame(), rng.normal(size=50))
    data = Data(Target(TaskType.REGRESSION, 0), part, part, part)
    assert data.loss(np.zeros(50), part) == pytest.approx(root_mean_squared_error(part.y, np.zeros(50)))


def test_filled_tables_have_no_missing_value_and_keep_the_others():
    X = pd.DataFrame({"number": [1.0, np.nan, 3.0, 4.0], "level": pd.Categorical(["a", None, "b", "a"])})
    filled = without_missing(X)
    assert filled["number"].tolist() == [1.0, 3.0, 3.0, 4.0]
    assert filled["level"].tolist() == ["a", "missing", "b", "a"]


def test_the_report_compares_means_over_seeds_and_then_tables():
    def side(loss):
        return Side(loss, loss, 1.0)

    records = [
        Record("tabm", "adult", 0, side(1.0), side(2.0)),
        Record("tabm", "adult", 1, side(3.0), side(2.0)),  # as good in the mean
        Record("tabm", "phoneme", 0, side(1.2), side(1.0)),
    ]
    lines = report(records).splitlines()
    assert "| **tabm** | all 2 | | | | **+10.00%** | | |" in lines
    assert any(line.startswith("| tabm | adult | 2 | 2.0000 | 2.0000 | +0.00% |") for line in lines)
