"""Levels of categories that are merged, and pairs of categories."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from raytabdl.component import Integer, Real, Space
from raytabdl.inputs import Array, Inputs, Rows, Target
from raytabdl.preprocessing.encode import level_means, look_up, out_of_fold, truths
from raytabdl.preprocessing.relevance import N_ROWS, relevance
from raytabdl.preprocessing.step import Step, sample, with_numbers

_MAX_PAIRED = 20
"""Columns of which pairs are made, the most relevant ones: 190 pairs."""

_MAX_LEVELS = 10_000
"""Levels of a pair that have a mean of their own, the most frequent ones, so that the state stays small."""

SMOOTHING = 10.0


class AllLevels(Step):
    """Every level as it is."""

    name: ClassVar[str] = "all"

    def fit(self, X: Inputs, y: Array, target: Target, rng: np.random.Generator) -> AllLevels:
        return self

    def transform(self, X: Inputs) -> Inputs:
        return X


class MergeRare(Step):
    """One level for all of a column that less than ``min_frac`` of the training part have.

    A level that the training part lacks is rare too, and falls to it where there is one; else it stays unseen, code 0.
    """

    name: ClassVar[str] = "merge_rare"
    space: ClassVar[Space] = {"min_frac": Real(1e-4, 0.5, default=0.01, log=True)}

    def __init__(self, *, min_frac: float = 0.01) -> None:
        self.min_frac = min_frac
        self.codes_: NDArray[np.int32] = np.empty(0, np.int32)  # of the levels of all columns, one after the other
        self.cardinalities_: Rows = np.empty(0, np.int64)

    def fit(self, X: Inputs, y: Array, target: Target, rng: np.random.Generator) -> MergeRare:
        merged = [self._merged(codes, n) for codes, n in zip(X.categorical.T, X.cardinalities, strict=True)]
        self.codes_ = np.concatenate([np.empty(0, np.int32), *(codes for codes, _ in merged)]).astype(np.int32)
        self.cardinalities_ = np.array([n for _, n in merged], np.int64)
        return self

    def transform(self, X: Inputs) -> Inputs:
        offsets = np.cumsum([0, *X.cardinalities], dtype=np.int64)[:-1]
        codes = self.codes_[X.categorical + offsets]
        return replace(X, categorical=codes, cardinalities=tuple(self.cardinalities_.tolist()))

    def _merged(self, codes: NDArray[np.int32], cardinality: int) -> tuple[NDArray[np.int64], int]:
        """The new code of each level, and how many codes there are."""
        counts = np.bincount(codes, minlength=cardinality)
        is_rare = counts < self.min_frac * len(codes)
        is_kept = ~is_rare
        is_kept[0] = False  # the unseen level has no code to keep
        n_kept = int(is_kept.sum())
        has_merged = counts[is_rare].any()
        new = np.zeros(cardinality, np.int64)
        new[is_kept] = 1 + np.arange(n_kept)
        if has_merged:
            new[is_rare] = 1 + n_kept
        return new, 1 + n_kept + int(has_merged)


class CategoryPairs(Step):
    """The mean target of the levels of two categories together, for the pairs that tell more than either alone.

    Out of fold as in ``TargetEncoding``, and added as numbers to the codes, which stay; at most ``n_pairs``.
    """

    name: ClassVar[str] = "category_pairs"
    space: ClassVar[Space] = {"n_pairs": Integer(1, 30, default=10, log=True)}

    def __init__(self, *, n_pairs: int = 10) -> None:
        self.n_pairs = n_pairs
        self.pairs_: Rows = np.empty((0, 2), np.int64)
        self.keys_: NDArray[np.int64] = np.empty(0, np.int64)  # of the levels of all pairs, sorted for each pair
        self.sizes_: Rows = np.empty(0, np.int64)  # the levels of each pair
        self.means_: NDArray[np.float32] = np.empty((0, 0), np.float32)
        self.centre_: NDArray[np.float32] = np.empty(0, np.float32)
        self.factor_: NDArray[np.float32] = np.empty(0, np.float32)

    def fit(self, X: Inputs, y: Array, target: Target, rng: np.random.Generator) -> CategoryPairs:
        few, y_few = sample(X, y, N_ROWS, rng)
        self.pairs_ = self._best_pairs(few, y_few, target, rng)
        keys = [_frequent(_keys(X, pair)) for pair in self.pairs_]
        self.keys_ = np.concatenate([np.empty(0, np.int64), *keys])
        self.sizes_ = np.array([len(of) for of in keys], np.int64)
        pairs = self._coded(X)
        self.means_ = level_means(pairs, truths(y, target), SMOOTHING)
        means = look_up(pairs, self.means_)
        spread = means.std(axis=0, dtype=np.float64)
        self.centre_ = means.mean(axis=0, dtype=np.float64).astype(np.float32)
        self.factor_ = (1 / np.where(spread > 1e-6, spread, 1.0)).astype(np.float32)
        return self

    def transform(self, X: Inputs) -> Inputs:
        return self._added(X, look_up(self._coded(X), self.means_))

    def fit_transform(self, X: Inputs, y: Array, target: Target, rng: np.random.Generator) -> Inputs:
        self.fit(X, y, target, rng)
        return self._added(X, out_of_fold(self._coded(X), y, target, SMOOTHING, rng))

    def _best_pairs(self, X: Inputs, y: Array, target: Target, rng: np.random.Generator) -> Rows:
        """Those whose means out of fold say more of the target than those of either column."""
        n_outputs = truths(y, target).shape[1]

        def relevances(of: Inputs) -> NDArray[np.float64]:
            means = out_of_fold(of, y, target, SMOOTHING, rng)
            return np.asarray(relevance(means, y, target).reshape(-1, n_outputs).max(axis=1))

        if len(X) < 2 or len(X.cardinalities) < 2:
            return np.empty((0, 2), np.int64)
        alone = relevances(X)
        paired = np.sort(np.argsort(-alone, kind="stable")[:_MAX_PAIRED])
        pairs = np.array(list(combinations(paired, 2)), np.int64)
        keys = [np.unique(_keys(X, pair), return_inverse=True) for pair in pairs]
        codes = np.stack([inverse for _, inverse in keys], axis=1).astype(np.int32)
        together = relevances(Inputs(X.numeric, codes, tuple(len(levels) for levels, _ in keys)))
        gains = together - alone[pairs].max(axis=1)
        best = np.argsort(-gains, kind="stable")[: self.n_pairs]
        return np.asarray(pairs[np.sort(best[gains[best] > 0])])

    def _coded(self, X: Inputs) -> Inputs:
        """The codes of each pair; 0 is a pair of levels that has no mean of its own."""
        codes = np.zeros((len(X), len(self.pairs_)), np.int32)
        ends = np.cumsum(self.sizes_)
        for i, (pair, end, size) in enumerate(zip(self.pairs_, ends, self.sizes_, strict=True)):
            known, keys = self.keys_[end - size : end], _keys(X, pair)
            places = np.minimum(np.searchsorted(known, keys), size - 1)
            codes[:, i] = np.where(known[places] == keys, 1 + places, 0)
        return Inputs(X.numeric, codes, tuple((1 + self.sizes_).tolist()))

    def _added(self, X: Inputs, means: NDArray[np.float32]) -> Inputs:
        scaled = np.clip((means - self.centre_) * self.factor_, -1_000, 1_000)
        return with_numbers(X, np.concatenate([X.numeric, scaled], axis=1))


def _keys(X: Inputs, pair: Rows) -> NDArray[np.int64]:
    """A number for the two levels of each row."""
    first, second = X.categorical[:, pair].astype(np.int64).T
    return np.asarray(first * X.cardinalities[pair[1]] + second)


def _frequent(keys: NDArray[np.int64]) -> NDArray[np.int64]:
    """The most frequent ones, sorted."""
    levels, counts = np.unique(keys, return_counts=True)
    return np.sort(levels[np.argsort(-counts, kind="stable")[:_MAX_LEVELS]])
