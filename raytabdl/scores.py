"""What a fitted model is worth on further rows, by all metrics of its kind of task."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from raytabdl.decisions import as_measured
from raytabdl.exceptions import DataError
from raytabdl.inputs import Array
from raytabdl.metrics import CLASSIFICATION, REGRESSION
from raytabdl.predictor import Predictor
from raytabdl.targets import encode_further


def scores(predictor: Predictor, X: Any, y: Any) -> dict[str, float]:
    """The value of each metric; NaN where it is not defined. Raises DataError where a target cannot be scored."""
    series = _series(y)
    if len(series) == 0:
        raise DataError("the table has 0 rows; at least one is needed for a score")
    if missing := int(series.isna().sum()):
        raise DataError(f"column {series.name!r} has {missing} missing targets; drop these rows")
    truth = encode_further(series, None, "y") if predictor.classes is None else _codes(predictor, series)
    predictions, factors = predictor.predict(X), predictor.ensemble.factors
    if len(predictions) != len(truth):
        raise DataError(f"X and y must have as many rows, got {len(predictions)} and {len(truth)}")
    known = REGRESSION if predictor.classes is None else CLASSIFICATION
    with np.errstate(invalid="ignore"):  # the logarithm of what is below -1
        return {name: metric.value(truth, as_measured(predictions, factors, name)) for name, metric in known.items()}


def _series(y: Any) -> pd.Series:
    """A target of any form that a fit takes."""
    if isinstance(y, pd.DataFrame) and y.shape[1] == 1:
        y = y.iloc[:, 0]
    elif not isinstance(y, (pd.Series, np.ndarray)):
        y = y.to_pandas() if hasattr(y, "to_pandas") else list(y)
    elif isinstance(y, np.ndarray) and y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    series = y if isinstance(y, pd.Series) else pd.Series(y)
    return series if series.name is not None else series.rename("y")


def _codes(predictor: Predictor, y: pd.Series) -> Array:
    assert predictor.classes is not None
    codes = pd.Index(predictor.classes).get_indexer(pd.Index(y.to_numpy()))
    if (codes < 0).all():  # labels that a file has made numbers of, or strings
        codes = pd.Index([str(label) for label in predictor.classes]).get_indexer(pd.Index(y.astype(str)))
    if (codes < 0).any():
        unknown = sorted(map(repr, y[codes < 0].unique().tolist()))
        raise DataError(
            f"column {y.name!r} has {int((codes < 0).sum())} targets of classes that training did not see, "
            f"{', '.join(unknown)}; it saw {predictor.classes.tolist()}: drop these rows"
        )
    return np.asarray(codes, np.float64)
