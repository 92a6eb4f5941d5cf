"""Functional ANOVA: how much of the variance of the loss over a space each hyperparameter, and each pair, explains.

Hutter, Hoos and Leyton-Brown (2014), "An efficient approach for assessing hyperparameter importance".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from raytabdl.analysis.forest import Axis, Floats, Forest, Leaves
from raytabdl.analysis.study import Study

K = TypeVar("K")

MAX_PAIRED = 20
"""Pairs are formed of so many hyperparameters, those with the largest shares of their own."""


@dataclass(frozen=True)
class Importance:
    """Shares of the variance, largest first: of single hyperparameters, and of pairs beyond their members' own."""

    single: Mapping[str, float]
    pairs: Mapping[tuple[str, str], float]


def fanova(study: Study, *, seed: int = 0) -> Importance:
    """The mean over the trees of a forest of the shares of each tree's variance, exact for the tree.

    The variance is over the whole space: numbers uniform on their scale, levels equally likely. What a condition
    switches on has a share only as often as it is active, and shares with the condition beyond that (``Forest``).
    """
    forest = Forest(study, seed)
    trees = [_Tree(leaves, forest.axes) for leaves in forest.leaves()]
    trees = [tree for tree in trees if tree.variance > 0]
    single = {
        axis.name: float(np.mean([tree.single[place] / tree.variance for tree in trees]))
        for place, axis in enumerate(forest.axes)
    }
    places = sorted(range(len(forest.axes)), key=lambda place: -single[forest.axes[place].name])[:MAX_PAIRED]
    pairs = {
        (forest.axes[i].name, forest.axes[j].name): float(np.mean([tree.pair(i, j) / tree.variance for tree in trees]))
        for i, j in combinations(sorted(places), 2)
    }
    return Importance(_largest_first(single), _largest_first(pairs))


@dataclass(frozen=True)
class _Numbers:
    """The leaves along a number: from the cell ``start`` up to ``stop``, of cells with these widths.

    Cells lie between the thresholds of the tree. ``share`` is the part of the axis that a leaf covers.
    """

    start: NDArray[np.int64]
    stop: NDArray[np.int64]
    widths: Floats
    share: Floats

    def marginal(self, weights: Floats) -> Floats:
        """The sum of the weights of the leaves over each cell."""
        n = len(self.widths) + 1
        steps = np.bincount(self.start, weights, n) - np.bincount(self.stop, weights, n)
        return np.cumsum(steps)[:-1]

    def covered(self) -> Floats:
        """Whether a leaf covers a cell, shape (leaves, cells)."""
        cells = np.arange(len(self.widths))
        return ((self.start[:, None] <= cells) & (cells < self.stop[:, None])).astype(np.float64)


@dataclass(frozen=True)
class _Levels:
    """The leaves along a choice: the levels that each takes, shape (leaves, levels)."""

    taken: Floats
    widths: Floats
    share: Floats

    def marginal(self, weights: Floats) -> Floats:
        marginal: Floats = weights @ self.taken
        return marginal

    def covered(self) -> Floats:
        return self.taken


class _Tree:
    """The variance of one tree over the space, and its parts."""

    def __init__(self, leaves: Leaves, axes: tuple[Axis, ...]) -> None:
        self._sides = [_side(leaves, axis) for axis in axes]
        volumes = np.prod([side.share for side in self._sides], axis=0)
        centred = leaves.losses - volumes @ leaves.losses
        self._mass = centred * volumes
        self.variance = float(self._mass @ centred)
        self.single = [self._single(side) for side in self._sides]

    def _single(self, side: _Numbers | _Levels) -> float:
        return float(side.widths @ side.marginal(self._mass / side.share) ** 2)

    def pair(self, i: int, j: int) -> float:
        """What the two explain together, less what each does alone."""
        first, second = self._sides[i], self._sides[j]
        weights = self._mass / (first.share * second.share)
        if isinstance(first, _Numbers) and isinstance(second, _Numbers):
            marginal = _plane(first, second, weights)
        else:
            marginal = (first.covered() * weights[:, None]).T @ second.covered()
        return float(first.widths @ marginal**2 @ second.widths) - self.single[i] - self.single[j]


def _plane(first: _Numbers, second: _Numbers, weights: Floats) -> Floats:
    """The sum of the leaves' weights over each pair of cells: running sums of steps at the corners of the leaves."""
    shape = len(first.widths) + 1, len(second.widths) + 1
    corners = np.concatenate(
        [
            first.start * shape[1] + second.start,
            first.stop * shape[1] + second.stop,
            first.start * shape[1] + second.stop,
            first.stop * shape[1] + second.start,
        ]
    )
    steps = np.bincount(corners, np.concatenate([weights, weights, -weights, -weights]), shape[0] * shape[1])
    sums: Floats = steps.reshape(shape).cumsum(axis=0).cumsum(axis=1)[:-1, :-1]
    return sums


def _side(leaves: Leaves, axis: Axis) -> _Numbers | _Levels:
    """How the leaves of a tree lie along an axis."""
    lower, upper = leaves.lower[:, axis.features], leaves.upper[:, axis.features]
    if axis.n_levels:
        # A feature of a level is 0 or 1, split at 1/2; a leaf with one of them at 1 takes no other level.
        is_set = lower > 0
        taken = ((upper == 1) & (is_set.sum(axis=1, keepdims=True) == is_set)).astype(np.float64)
        return _Levels(taken, np.full(axis.n_levels, 1 / axis.n_levels), taken.mean(axis=1))
    lower, upper = lower[:, 0], upper[:, 0]
    edges = np.unique(np.concatenate([lower, upper]))
    start, stop = np.searchsorted(edges, lower), np.searchsorted(edges, upper)
    return _Numbers(start, stop, np.diff(edges), upper - lower)


def _largest_first(shares: Mapping[K, float]) -> dict[K, float]:
    return dict(sorted(shares.items(), key=lambda item: -item[1]))
