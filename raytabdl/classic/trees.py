"""Grown trees as plain arrays, and the way of rows through them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_WALKERS = 16_384
"""Rows times trees that walk down together: of few rows a step takes as long as its calls, and of many, as the memory
of the nodes that they look at, which are best those of one tree."""

_STEPS = 6
"""Steps before those that have arrived are left behind: it takes as long as a step or two."""


@dataclass(frozen=True)
class Trees:
    """The nodes of trees, one tree after another, which need neither pickle nor the same version of scikit-learn.

    ``feature`` and ``threshold``, (n_nodes,), say which value a row is split by; where it is at most the threshold the
    row goes to the first of the ``children``, (n_nodes, 2), places among all nodes. A leaf is its own children.
    ``value`` is (n_nodes, n_outputs). Tree i has the nodes from ``roots[i]`` up to ``roots[i + 1]``.
    """

    feature: NDArray[np.int32]
    threshold: NDArray[np.float32]
    children: NDArray[np.int32]
    value: NDArray[np.floating]
    roots: NDArray[np.int64]

    @classmethod
    def joined(cls, parts: Sequence[Trees]) -> Trees:
        """The trees of all parts, of which there is at least one."""
        offsets = np.cumsum([0, *(part.roots[-1] for part in parts)])
        return cls(
            np.concatenate([part.feature for part in parts]),
            np.concatenate([part.threshold for part in parts]),
            np.concatenate([part.children + np.int32(n) for part, n in zip(parts, offsets, strict=False)]),
            np.concatenate([part.value for part in parts]),
            np.concatenate([[0], *(part.roots[1:] + n for part, n in zip(parts, offsets, strict=False))]),
        )

    @classmethod
    def restored(cls, arrays: Mapping[str, NDArray[Any]]) -> Trees:
        """What ``state`` gave: there children are places in their own tree, and below 0 at a leaf."""
        roots = np.concatenate([[0], np.cumsum(arrays["sizes"])])
        children = np.stack([arrays["left"], arrays["right"]], axis=1)
        begins = np.repeat(roots[:-1], arrays["sizes"])[:, None]
        nodes = np.arange(len(children))[:, None]
        children = np.where(children < 0, nodes, children + begins).astype(np.int32)
        feature = np.maximum(arrays["feature"], 0)  # a leaf, which has none, is walked through
        return cls(feature, arrays["threshold"], children, arrays["value"], roots)

    def state(self) -> dict[str, NDArray[Any]]:
        """The arrays of all trees and, as ``sizes``, how many nodes each of them has."""
        sizes = np.diff(self.roots)
        children = self.children - np.repeat(self.roots[:-1], sizes)[:, None].astype(np.int32)
        children[self.is_leaf()] = -1
        left, right = np.ascontiguousarray(children.T)
        fields = {"feature": self.feature, "threshold": self.threshold, "left": left, "right": right}
        return {"sizes": sizes, **fields, "value": self.value}

    def __len__(self) -> int:
        return len(self.roots) - 1

    def is_leaf(self) -> NDArray[np.bool_]:
        """Whether each node is a leaf."""
        return np.asarray(self.children[:, 0] == np.arange(len(self.children)))

    def sums(self, matrix: NDArray[np.float32], first: int, end: int) -> NDArray[np.float64]:
        """The values of the leaves that rows, (n, d) without NaN, fall into, summed over some trees: (n, n_outputs)."""
        total = np.zeros((len(matrix), self.value.shape[1]))
        n_together = max(1, _WALKERS // max(1, len(matrix)))
        for begin in range(first, end, n_together):
            leaves = self._leaves(matrix, self.roots[begin : min(begin + n_together, end)])
            total += self.value[leaves].sum(axis=0, dtype=np.float64)
        return total

    def _leaves(self, matrix: NDArray[np.float32], roots: NDArray[np.int64]) -> NDArray[np.int64]:
        """Where each row ends in each tree, (n_trees, n): all walk down together."""
        values, children = matrix.ravel(), self.children.ravel()
        leaves = np.repeat(roots, len(matrix))
        here, walking = leaves, np.arange(len(leaves))
        rows = np.tile(np.arange(len(matrix)) * matrix.shape[1], len(roots))
        while (is_inner := children[2 * here] != here).any():
            here, walking, rows = here[is_inner], walking[is_inner], rows[is_inner]
            for _ in range(_STEPS):
                goes_right = values[rows + self.feature[here]] > self.threshold[here]
                here = children[2 * here + goes_right].astype(np.intp)  # to look up by int32 takes twice as long
            leaves[walking] = here
        return leaves.reshape(len(roots), len(matrix))
