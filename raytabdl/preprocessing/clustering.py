"""Groups of numeric columns that are alike, each as one column."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from raytabdl.component import Choice, Space, When
from raytabdl.inputs import Array, Inputs, Rows, Target
from raytabdl.preprocessing.reduction import SHARE, n_components
from raytabdl.preprocessing.step import Step, sample, with_numbers

_N_ROWS = 2_000
"""Rows that columns are compared on; the time goes with them and the square of the columns."""

_MAX_CLUSTERED = 2_000
"""More columns are not compared: their distances alone would be over 32 MB, and the linkage takes seconds."""

_POOLINGS: dict[str, Callable[..., NDArray[np.float32]]] = {"mean": np.mean, "median": np.median, "max": np.max}


class FeatureAgglomeration(Step):
    """The mean, median or maximum of each cluster of columns, as many clusters as a share of the columns."""

    name: ClassVar[str] = "agglomeration"
    space: ClassVar[Space] = {
        "share": SHARE,
        "linkage": Choice(("ward", "complete", "average"), default="ward"),
        "metric": Choice(
            ("euclidean", "manhattan"), default="euclidean", when=When("linkage", ("complete", "average"))
        ),
        "pooling": Choice(tuple(_POOLINGS), default="mean"),
    }

    def __init__(
        self, *, share: float = 0.5, linkage: str = "ward", metric: str = "euclidean", pooling: str = "mean"
    ) -> None:
        self.share = share
        self.linkage = linkage
        self.metric = metric
        self.pooling = pooling
        self.clusters_: Rows = np.empty(0, np.int64)  # of each column; none where the columns stay as they are

    def fit(self, X: Inputs, y: Array, target: Target, rng: np.random.Generator) -> FeatureAgglomeration:
        from sklearn.cluster import FeatureAgglomeration as Transformer

        few, _ = sample(X, y, _N_ROWS, rng)
        numbers = few.numeric.astype(np.float64)
        if 2 <= numbers.shape[1] <= _MAX_CLUSTERED and len(numbers) >= 2:
            n = min(n_components(self.share, numbers.shape[1], numbers.shape[1]), numbers.shape[1])
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of two equal columns, which look like distances to scipy
                clusters = Transformer(n, metric=self.metric, linkage=self.linkage).fit(numbers).labels_
            self.clusters_ = np.asarray(clusters, np.int64)
        return self

    def transform(self, X: Inputs) -> Inputs:
        if len(self.clusters_) == 0:
            return X
        pool = _POOLINGS[self.pooling]
        columns = [pool(X.numeric[:, self.clusters_ == i], axis=1) for i in range(self.clusters_.max() + 1)]
        return with_numbers(X, np.stack(columns, axis=1))
