from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from scipy.stats import kurtosis, skew

from raytabdl.analysis.metafeatures import metafeatures
from raytabdl.exceptions import DataError


def test_the_numbers_of_a_small_table() -> None:
    X = pd.DataFrame(
        {
            "size": [1.0, 2.0, np.nan, 4.0, 9.0],
            "twice": [2, 4, 6, 8, 18],
            "colour": ["red", "blue", None, "red", "green"],
            "flag": [True, False, True, True, False],
        }
    )
    found = metafeatures(X, pd.Series(["a", "b", "a", "c", None]), is_classification=True)
    assert (found.n_rows, found.n_columns, found.n_categorical, found.n_classes) == (4, 4, 2, 3)
    assert found.share_categorical == 0.5
    assert found.share_missing == 2 / 16
    assert found.share_rows_with_missing == 1 / 4
    assert found.columns_per_row == 1
    assert (found.mean_levels, found.max_levels) == (2, 2)
    assert found.class_entropy == pytest.approx(1.5)
    assert found.normalised_class_entropy == pytest.approx(1.5 / math.log2(3))
    assert (found.smallest_class_share, found.largest_class_share) == (0.25, 0.5)
    assert found.mean_correlation == pytest.approx(1)


def test_skewness_and_kurtosis_are_those_of_columns_that_vary() -> None:
    ramp = np.arange(1000) / 1000
    X = pd.DataFrame({"constant": 1.0, "uniform": ramp, "exponential": -np.log(1 - ramp)})
    found = metafeatures(X, pd.Series(np.arange(1000.0)), is_classification=False)
    varying = X[["uniform", "exponential"]]
    assert found.mean_skewness == pytest.approx(np.abs(skew(varying, bias=False)).mean())
    assert found.mean_kurtosis == pytest.approx(kurtosis(varying, bias=False).mean())


def test_a_regression_has_no_classes() -> None:
    found = metafeatures(pd.DataFrame({"x": [1, 2, 3]}), pd.Series([0.1, 0.2, 0.3]), is_classification=False)
    assert found.n_classes == 0
    assert math.isnan(found.class_entropy)
    assert math.isnan(found.mean_levels)


def test_a_class_without_rows_does_not_count() -> None:
    y = pd.Series(pd.Categorical(["a", "b", "a"], categories=["a", "b", "c"]))
    assert metafeatures(pd.DataFrame({"x": [1, 2, 3]}), y, is_classification=True).n_classes == 2


def test_a_table_without_rows_is_refused() -> None:
    with pytest.raises(DataError, match="rows with a target"):
        metafeatures(pd.DataFrame({"x": [1.0]}), pd.Series([None]), is_classification=True)
