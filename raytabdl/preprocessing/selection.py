"""Selections among the numeric columns."""

from __future__ import annotations

import warnings
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from raytabdl.component import Choice, Integer, Real, Space
from raytabdl.inputs import Array, Inputs, Rows, Target
from raytabdl.preprocessing.step import Step, sample, with_numbers

_N_ROWS = 5_000
"""Rows that are enough to rank columns; a linear support vector machine takes seconds for them."""

_LARGEST = 1e6
"""Numbers are cut off here for the models that rank columns, whose sums of squares must stay finite."""

Numbers = NDArray[np.float64]


class Selection(Step):
    """Some of the numeric columns, and never none where there are some."""

    def __init__(self) -> None:
        self.columns_: Rows = np.empty(0, np.int64)

    def transform(self, X: Inputs) -> Inputs:
        return with_numbers(X, X.numeric[:, self.columns_])


class VarianceThreshold(Selection):
    """The columns that vary."""

    name: ClassVar[str] = "variance_threshold"

    def fit(self, X: Inputs, y: Array, target: Target, rng: np.random.Generator) -> VarianceThreshold:
        varying = _varying(X.numeric)
        self.columns_ = varying if len(varying) else np.arange(X.numeric.shape[1])[:1]
        return self


class _ByTarget(Selection):
    """The columns that say something of the target; constant ones say nothing."""

    def fit(self, X: Inputs, y: Array, target: Target, rng: np.random.Generator) -> _ByTarget:
        few, y_few = sample(X, y, _N_ROWS, rng)
        numbers = np.clip(few.numeric.astype(np.float64), -_LARGEST, _LARGEST)
        varying = _varying(numbers)
        if len(varying) == 0 or (y_few == y_few[0]).all():  # nothing to select by
            self.columns_ = np.arange(X.numeric.shape[1])
            return self
        truth = y_few.astype(np.int64) if target.task_type.is_classification else (y_few - y.mean()) / y.std()
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")  # of iterations that did not converge, and of columns alike the target
            scores, is_selected = self._judged(numbers[:, varying], truth, target, int(rng.integers(2**31)))
        is_selected[scores.argmax()] = True
        self.columns_ = varying[is_selected]
        return self

    def _judged(self, X: Numbers, y: Array | Rows, target: Target, seed: int) -> tuple[Numbers, NDArray[np.bool_]]:
        """The score of each column, and whether it is selected."""
        raise NotImplementedError


class SelectByTrees(_ByTarget):
    """The columns whose importance in extremely randomised trees is above the mean."""

    name: ClassVar[str] = "extra_trees"
    space: ClassVar[Space] = {
        "max_features": Real(0.1, 1.0, default=0.5),
        "min_samples_leaf": Integer(1, 20, default=5, log=True),
    }

    def __init__(self, *, max_features: float = 0.5, min_samples_leaf: int = 5) -> None:
        super().__init__()
        self.max_features = max_features
        self.min_samples_leaf = min_samples_leaf

    def _judged(self, X: Numbers, y: Array | Rows, target: Target, seed: int) -> tuple[Numbers, NDArray[np.bool_]]:
        from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor

        cls = ExtraTreesClassifier if target.task_type.is_classification else ExtraTreesRegressor
        forest = cls(
            50, max_features=self.max_features, min_samples_leaf=self.min_samples_leaf, n_jobs=1, random_state=seed
        )
        importances = np.asarray(forest.fit(X, y).feature_importances_)
        return importances, importances >= importances.mean()


class SelectByLinearModel(_ByTarget):
    """The columns with a weight in a sparse linear model: a support vector machine, or a lasso for a value.

    ``C`` is the weight of the errors against that of the weights; it is smaller where fewer columns are wanted.
    """

    name: ClassVar[str] = "linear"
    space: ClassVar[Space] = {"C": Real(0.01, 10.0, default=0.1, log=True)}

    def __init__(self, *, C: float = 0.1) -> None:
        super().__init__()
        self.C = C

    def _judged(self, X: Numbers, y: Array | Rows, target: Target, seed: int) -> tuple[Numbers, NDArray[np.bool_]]:
        from sklearn.linear_model import Lasso
        from sklearn.svm import LinearSVC

        scaled = (X - X.mean(axis=0)) / X.std(axis=0)
        if target.task_type.is_classification:
            model: Any = LinearSVC(penalty="l1", dual=False, C=self.C, max_iter=300, random_state=seed)
        else:
            model = Lasso(alpha=1 / (self.C * len(X)), max_iter=300)  # the mean error against the sum of the SVM
        weights = np.abs(np.atleast_2d(model.fit(scaled, y).coef_)).max(axis=0)
        return weights, weights > 1e-5


class SelectPercentile(_ByTarget):
    """The columns with the largest F statistics, ``percentile`` of a hundred."""

    name: ClassVar[str] = "percentile"
    space: ClassVar[Space] = {"percentile": Integer(1, 99, default=50)}

    def __init__(self, *, percentile: int = 50) -> None:
        super().__init__()
        self.percentile = percentile

    def _judged(self, X: Numbers, y: Array | Rows, target: Target, seed: int) -> tuple[Numbers, NDArray[np.bool_]]:
        scores, _ = _p_values(X, y, target)
        is_selected = np.zeros(len(scores), bool)
        is_selected[np.argsort(-scores, kind="stable")[: round(len(scores) * self.percentile / 100)]] = True
        return scores, is_selected


class SelectRates(_ByTarget):
    """The columns whose F statistic is no chance, at the rate ``alpha`` of false positives.

    ``fpr`` bounds it for each column, ``fdr`` among those selected (Benjamini, Hochberg, 1995), and ``fwe`` the chance
    of a single one (Bonferroni).
    """

    name: ClassVar[str] = "rates"
    space: ClassVar[Space] = {
        "mode": Choice(("fpr", "fdr", "fwe"), default="fpr"),
        "alpha": Real(0.01, 0.5, default=0.1),
    }

    def __init__(self, *, mode: str = "fpr", alpha: float = 0.1) -> None:
        if mode not in ("fpr", "fdr", "fwe"):
            raise ValueError(f"mode must be one of fpr, fdr, fwe, got {mode=}")
        super().__init__()
        self.mode = mode
        self.alpha = alpha

    def _judged(self, X: Numbers, y: Array | Rows, target: Target, seed: int) -> tuple[Numbers, NDArray[np.bool_]]:
        scores, p_values = _p_values(X, y, target)
        n = len(p_values)
        if self.mode == "fpr":
            bound = self.alpha
        elif self.mode == "fwe":
            bound = self.alpha / n
        else:
            ordered = np.sort(p_values)
            below = ordered[ordered <= self.alpha * np.arange(1, n + 1) / n]
            return scores, p_values <= (below.max() if len(below) else -1.0)
        return scores, p_values < bound


def _varying(numbers: NDArray[np.floating]) -> Rows:
    """The columns that are not constant."""
    lowest, highest = numbers.min(axis=0, initial=np.inf), numbers.max(axis=0, initial=-np.inf)
    return np.flatnonzero(highest > lowest)


def _p_values(X: Numbers, y: Array | Rows, target: Target) -> tuple[Numbers, Numbers]:
    """The F statistic of each column and the target, and its p-value; 0 and 1 where it is not defined."""
    from sklearn.feature_selection import f_classif, f_regression

    scores, p_values = (f_classif if target.task_type.is_classification else f_regression)(X, y)
    return np.nan_to_num(scores, nan=0.0), np.nan_to_num(p_values, nan=1.0)
