"""What a table is like, in a few numbers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from raytabdl.exceptions import DataError


@dataclass(frozen=True)
class MetaFeatures:
    """The simple, statistical and information-theoretic ones of the literature (Vanschoren, 2018, "Meta-learning").

    A regression has no classes: ``n_classes`` is 0, and what is said of classes is NaN. Entropies are in bits.
    """

    n_rows: int
    n_columns: int
    n_classes: int
    n_categorical: int
    share_categorical: float
    share_missing: float
    """Of all cells."""
    share_rows_with_missing: float
    columns_per_row: float
    mean_levels: float
    """Of the categorical columns, as the next; NaN without any."""
    max_levels: float
    class_entropy: float
    normalised_class_entropy: float
    """1 where all classes are equally frequent."""
    smallest_class_share: float
    largest_class_share: float
    mean_skewness: float
    """Of the absolute skewness of the numeric columns that vary; NaN without any."""
    mean_kurtosis: float
    """Of their excess kurtosis."""
    mean_correlation: float
    """Of the absolute correlations between pairs of numeric columns; NaN with fewer than two."""


def metafeatures(X: pd.DataFrame, y: pd.Series, *, is_classification: bool) -> MetaFeatures:
    """Those of the rows that have a target. A column is numeric where its dtype is, and not boolean."""
    has_target = y.notna().to_numpy()
    X, y = X.loc[has_target], y.loc[has_target]
    if X.empty:
        raise DataError(f"a table must have rows with a target and columns, got {X.shape=}")
    numeric = X.select_dtypes("number").astype(np.float64).replace([np.inf, -np.inf], np.nan)
    categorical = X.drop(columns=numeric.columns)
    missing = X.isna().to_numpy()
    levels = np.array([categorical[name].nunique() for name in categorical])
    shares = (
        y.value_counts(normalize=True, sort=False).to_numpy(dtype=np.float64) if is_classification else np.array([])
    )
    shares = shares[shares > 0]  # a category that no row has
    entropy = float(-(shares * np.log2(shares)).sum()) if len(shares) else np.nan
    varying = numeric.loc[:, numeric.nunique() > 1]
    return MetaFeatures(
        n_rows=len(X),
        n_columns=X.shape[1],
        n_classes=len(shares),
        n_categorical=categorical.shape[1],
        share_categorical=categorical.shape[1] / X.shape[1],
        share_missing=float(missing.mean()),
        share_rows_with_missing=float(missing.any(axis=1).mean()),
        columns_per_row=X.shape[1] / len(X),
        mean_levels=_mean(levels),
        max_levels=float(levels.max()) if len(levels) else np.nan,
        class_entropy=entropy,
        normalised_class_entropy=entropy / np.log2(len(shares)) if len(shares) > 1 else np.nan,
        smallest_class_share=float(shares.min()) if len(shares) else np.nan,
        largest_class_share=float(shares.max()) if len(shares) else np.nan,
        mean_skewness=_mean(varying.skew().abs().to_numpy(dtype=np.float64)),
        mean_kurtosis=_mean(varying.kurt().to_numpy(dtype=np.float64)),
        mean_correlation=_mean_correlation(varying),
    )


def _mean_correlation(varying: pd.DataFrame) -> float:
    correlations = varying.corr().abs().to_numpy(dtype=np.float64)
    return _mean(correlations[np.triu_indices(len(correlations), k=1)])


def _mean(values: np.ndarray) -> float:
    """The mean without what is undefined, NaN of nothing."""
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if len(defined) else np.nan
