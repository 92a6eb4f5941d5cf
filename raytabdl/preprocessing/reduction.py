"""Fewer numbers, each of all columns: what reductions have in common, and those that are linear."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from raytabdl.component import Choice, Real, Space
from raytabdl.inputs import Array, Inputs, Rows, Target
from raytabdl.preprocessing.step import MAX_COLUMNS, Step, sample, with_numbers

_LARGEST_INPUT = 1e6
"""Numbers are cut off here first, so that the fifth power of a sum of products of them is far from infinite."""

_LARGEST_OUTPUT = 1_000.0

_CHUNK_ROWS = 8_192
"""Rows that are mapped at once, in float64."""

_LEAST_FIT_ROWS = 2_000
_MAX_FIT_CELLS = 4_000_000
_MAX_RANKED_ROWS = 2_000

SHARE = Real(0.1, 0.9, default=0.5)


class Keep(Step):
    """The numbers as they are."""

    name: ClassVar[str] = "keep"

    def fit(self, X: Inputs, y: Array, target: Target, rng: np.random.Generator) -> Keep:
        return self

    def transform(self, X: Inputs) -> Inputs:
        return X


class Reduction(Step):
    """The numbers that vary through a transformer of scikit-learn, centred, with a mean variance of 1.

    The fitted attributes that the transformer maps with are the state (``arrays``), and are put into a new one of the
    same arguments: no pickle. Where fewer than 2 columns vary, or their decomposition has no finite answer, the numbers
    stay as they are.
    """

    arrays: ClassVar[tuple[str, ...]]
    max_fit_rows: ClassVar[int] = 20_000
    """Fewer where there are many columns: a decomposition takes the rows times the square of them."""

    def __init__(self) -> None:
        self.columns_: Rows = np.empty(0, np.int64)
        self.size_: Rows = np.zeros(3, np.int64)  # components that the rows allow, columns, and the seed
        self.centre_: NDArray[np.float64] = np.empty(0, np.float64)
        self.factor_: NDArray[np.float64] = np.ones(1)
        self.transformer: Any = None
        """The fitted one of scikit-learn, or what stands for it."""

    def fit(self, X: Inputs, y: Array, target: Target, rng: np.random.Generator) -> Reduction:
        n_rows = max(_LEAST_FIT_ROWS, _MAX_FIT_CELLS // max(1, X.numeric.shape[1]))
        few, _ = sample(X, y, min(n_rows, self.max_fit_rows), rng)
        columns = np.flatnonzero(few.numeric.max(axis=0, initial=-np.inf) > few.numeric.min(axis=0, initial=np.inf))
        if len(columns) < 2:
            return self
        self.columns_ = columns
        numbers = self._bounded(few.numeric)
        self.size_ = np.array([self._n_allowed(numbers), len(columns), rng.integers(2**31)], np.int64)
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")  # of iterations that did not converge, and of ranks
            try:
                self.transformer = self._transformer(*self.size_.tolist()).fit(numbers)
            except (np.linalg.LinAlgError, ValueError):  # the latter where a decomposition meets the nan of another
                return self._given_up()
        outputs = np.asarray(self.transformer.transform(numbers))
        variance = float(outputs.var(axis=0).sum()) / max(1, outputs.shape[1])
        if not (np.isfinite(variance) and variance > 0):
            return self._given_up()
        self.centre_, self.factor_ = outputs.mean(axis=0, dtype=np.float64), np.array([variance**-0.5])
        return self

    def transform(self, X: Inputs) -> Inputs:
        if len(self.columns_) == 0:
            return X
        numbers = np.empty((len(X), len(self.centre_)), np.float32)
        for begin in range(0, len(X), _CHUNK_ROWS):
            rows = slice(begin, begin + _CHUNK_ROWS)
            outputs = np.asarray(self.transformer.transform(self._bounded(X.numeric[rows])))
            numbers[rows] = np.clip((outputs - self.centre_) * self.factor_, -_LARGEST_OUTPUT, _LARGEST_OUTPUT)
        return with_numbers(X, numbers)

    def state(self) -> dict[str, NDArray[Any]]:
        state = super().state()
        if self.transformer is not None:
            state |= {f"model.{name}": np.asarray(getattr(self.transformer, name)) for name in self.arrays}
        return state

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        super().restore(state)
        if len(self.columns_):
            self.transformer = self._transformer(*self.size_.tolist())
            self.transformer.n_features_in_ = len(self.columns_)
            for name in self.arrays:
                setattr(self.transformer, name, state[f"model.{name}"])

    def _transformer(self, n_rows: int, n_columns: int, seed: int) -> Any:
        """The unfitted transformer for a table of this size."""
        raise NotImplementedError

    def _n_allowed(self, numbers: NDArray[np.float64]) -> int:
        """How many components the rows allow."""
        return len(numbers)

    def _bounded(self, numbers: NDArray[np.float32]) -> NDArray[np.float64]:
        return np.clip(numbers[:, self.columns_].astype(np.float64), -_LARGEST_INPUT, _LARGEST_INPUT)

    def _given_up(self) -> Reduction:
        self.columns_, self.transformer = np.empty(0, np.int64), None
        return self


def n_components(share: float, n_rows: int, n_columns: int) -> int:
    """A share of the columns, at least 1, and no more than the rows or ``MAX_COLUMNS``."""
    return max(1, min(round(share * n_columns), n_rows, MAX_COLUMNS))


class TruncatedSVD(Reduction):
    """The directions of the largest singular values, as many as a share of the columns."""

    name: ClassVar[str] = "truncated_svd"
    space: ClassVar[Space] = {"share": SHARE}
    arrays: ClassVar[tuple[str, ...]] = ("components_",)

    def __init__(self, *, share: float = 0.5) -> None:
        super().__init__()
        self.share = share

    def _transformer(self, n_rows: int, n_columns: int, seed: int) -> Any:
        from sklearn.decomposition import TruncatedSVD as Transformer

        return Transformer(min(n_components(self.share, n_rows, n_columns), n_columns), random_state=seed)


class PCA(Reduction):
    """The directions of the largest variances, as many as have ``keep_variance`` of it; ``whiten`` makes them alike."""

    name: ClassVar[str] = "pca"
    space: ClassVar[Space] = {
        "keep_variance": Real(0.5, 0.9999, default=0.99),
        "whiten": Choice((False, True), default=False),
    }
    arrays: ClassVar[tuple[str, ...]] = ("mean_", "components_", "explained_variance_")

    def __init__(self, *, keep_variance: float = 0.99, whiten: bool = False) -> None:
        super().__init__()
        self.keep_variance = keep_variance
        self.whiten = whiten

    def _transformer(self, n_rows: int, n_columns: int, seed: int) -> Any:
        from sklearn.decomposition import PCA as Transformer

        return Transformer(self.keep_variance, whiten=self.whiten, svd_solver="full", random_state=seed)


class FastICA(Reduction):
    """Independent components, as many as a share of the columns (Hyvärinen, Oja, 2000)."""

    name: ClassVar[str] = "fast_ica"
    space: ClassVar[Space] = {
        "share": SHARE,
        "algorithm": Choice(("parallel", "deflation"), default="parallel"),
        "fun": Choice(("logcosh", "exp", "cube"), default="logcosh"),
    }
    arrays: ClassVar[tuple[str, ...]] = ("mean_", "components_")

    def __init__(self, *, share: float = 0.5, algorithm: str = "parallel", fun: str = "logcosh") -> None:
        super().__init__()
        self.share = share
        self.algorithm = algorithm
        self.fun = fun

    def _transformer(self, n_rows: int, n_columns: int, seed: int) -> Any:
        from sklearn.decomposition import FastICA as Transformer

        n = n_components(self.share, n_rows, n_columns)
        return Transformer(
            n, algorithm=self.algorithm, fun=self.fun, whiten="unit-variance", max_iter=100, random_state=seed
        )

    def _n_allowed(self, numbers: NDArray[np.float64]) -> int:
        """The rank: of directions without variance there is nothing to make independent."""
        few = numbers[:_MAX_RANKED_ROWS]
        return int(np.linalg.matrix_rank(few - few.mean(axis=0), rtol=1e-6))
