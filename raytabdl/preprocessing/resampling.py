"""Classes of more even sizes: rows that are repeated, made up or left out, in the training part only."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from raytabdl.component import Choice, Component, Integer, Space, When
from raytabdl.inputs import Array, Inputs, Rows, Target

_MAX_GROWTH = 3
"""Of the rows that there are, at most so many times as many: training must not take longer than that."""

_LEAST_ROWS = 10
"""No class is cut below so many rows: of fewer a network learns nothing, however even the classes are."""

_MAX_NEIGHBOURHOOD = 5_000
"""Rows of a class among which neighbours are looked for."""


class Resampler(Component):
    """Changes the rows of a classification's training part; those of a regression stay as they are."""

    def resample(self, X: Inputs, y: Array, target: Target, rng: np.random.Generator) -> tuple[Inputs, Array]:
        raise NotImplementedError


class NoResampling(Resampler):
    """The rows as they are."""

    name: ClassVar[str] = "none"

    def resample(self, X: Inputs, y: Array, target: Target, rng: np.random.Generator) -> tuple[Inputs, Array]:
        return X, y


class _Resampler(Resampler):
    """Brings classes to one size, that of the largest (up), of the smallest (down), their mean or their median."""

    def __init__(self, *, target_size: str) -> None:
        if target_size not in ("up", "down", "average", "median"):
            raise ValueError(f"target_size must be one of up, down, average, median, got {target_size=}")
        self.target_size = target_size

    def resample(self, X: Inputs, y: Array, target: Target, rng: np.random.Generator) -> tuple[Inputs, Array]:
        if not target.task_type.is_classification:
            return X, y
        counts = np.bincount(y.astype(np.int64), minlength=target.n_classes)
        size = self._size(counts[counts > 0])
        return self._balanced(X, y, {int(c): np.flatnonzero(y == c) for c in np.flatnonzero(counts)}, size, rng)

    def _size(self, counts: NDArray[np.int64]) -> int:
        size = {"up": counts.max(), "down": counts.min(), "average": counts.mean(), "median": np.median(counts)}
        return round(float(size[self.target_size]))

    def _balanced(
        self, X: Inputs, y: Array, rows: dict[int, Rows], size: int, rng: np.random.Generator
    ) -> tuple[Inputs, Array]:
        """The table with classes of about the size; ``rows`` are those of each class."""
        raise NotImplementedError


class RandomUnderSampler(_Resampler):
    """Leaves out rows of the larger classes at random."""

    name: ClassVar[str] = "random_under"
    space: ClassVar[Space] = {"target_size": Choice(("down", "average", "median"), default="average")}

    def __init__(self, *, target_size: str = "average") -> None:
        super().__init__(target_size=target_size)

    def _balanced(
        self, X: Inputs, y: Array, rows: dict[int, Rows], size: int, rng: np.random.Generator
    ) -> tuple[Inputs, Array]:
        most = max(size, _LEAST_ROWS)
        kept = [of if len(of) <= most else rng.choice(of, most, replace=False) for of in rows.values()]
        every = np.sort(np.concatenate(kept))
        return X.take(every), y[every]


class _OverSampler(_Resampler):
    """Adds rows to the smaller classes, behind those that there are."""

    space: ClassVar[Space] = {"target_size": Choice(("up", "average", "median"), default="up")}

    def __init__(self, *, target_size: str = "up") -> None:
        super().__init__(target_size=target_size)

    def _balanced(
        self, X: Inputs, y: Array, rows: dict[int, Rows], size: int, rng: np.random.Generator
    ) -> tuple[Inputs, Array]:
        n_missing = {label: max(0, size - len(of)) for label, of in rows.items()}
        share = min(1.0, (_MAX_GROWTH - 1) * len(y) / max(1, sum(n_missing.values())))
        added = [X]
        labels: list[NDArray[Any]] = [y]
        for label, of in rows.items():
            n = int(n_missing[label] * share)
            if n:
                added.append(self._new_rows(X.take(of), n, rng))
                labels.append(np.full(n, label, y.dtype))
        together = replace(
            X,
            numeric=np.concatenate([part.numeric for part in added]),
            categorical=np.concatenate([part.categorical for part in added]),
            weights=None if X.weights is None else np.concatenate([part.weights for part in added]),
        )
        return together, np.concatenate(labels)

    def _new_rows(self, X: Inputs, n: int, rng: np.random.Generator) -> Inputs:
        """As many rows more of a class that has the rows X."""
        raise NotImplementedError


class RandomOverSampler(_OverSampler):
    """Repeats rows of the smaller classes at random."""

    name: ClassVar[str] = "random_over"

    def _new_rows(self, X: Inputs, n: int, rng: np.random.Generator) -> Inputs:
        return X.take(rng.integers(len(X), size=n))


class SMOTE(_OverSampler):
    """Adds rows between a row of a smaller class and one of its neighbours of that class (Chawla et al., 2002).

    Codes are those of one of the two. A class with fewer rows has fewer neighbours; one of a single row is repeated.
    """

    name: ClassVar[str] = "smote"
    space: ClassVar[Space] = {**_OverSampler.space, "k_neighbors": Integer(3, 7, default=5)}

    def __init__(self, *, target_size: str = "up", k_neighbors: int = 5) -> None:
        super().__init__(target_size=target_size)
        self.k_neighbors = k_neighbors

    def _new_rows(self, X: Inputs, n: int, rng: np.random.Generator) -> Inputs:
        from sklearn.neighbors import NearestNeighbors

        if len(X) > _MAX_NEIGHBOURHOOD:
            X = X.take(rng.choice(len(X), _MAX_NEIGHBOURHOOD, replace=False))
        k = min(self.k_neighbors, len(X) - 1)
        begin = rng.integers(len(X), size=n)
        if k == 0 or X.numeric.shape[1] == 0:
            return X.take(begin)
        nearest = NearestNeighbors(n_neighbors=k).fit(X.numeric).kneighbors(return_distance=False)  # without itself
        end = nearest[begin, rng.integers(k, size=n)]
        share = rng.random((n, 1), np.float32)
        return replace(
            X.take(begin),
            numeric=X.numeric[begin] + share * (X.numeric[end] - X.numeric[begin]),
            categorical=np.where(share < 0.5, X.categorical[begin], X.categorical[end]),
        )


class OverUnderSampler(_Resampler):
    """Brings all classes to one size: adds rows to the smaller ones, then leaves out rows of the larger ones.

    Batista et al. (2004) compare such pairs. The size is that of the classes as they were.
    """

    name: ClassVar[str] = "over_under"
    space: ClassVar[Space] = {
        "target_size": Choice(("average", "median"), default="average"),
        "over": Choice((RandomOverSampler.name, SMOTE.name), default=RandomOverSampler.name),
        "k_neighbors": Integer(3, 7, default=5, when=When("over", (SMOTE.name,))),
    }

    def __init__(
        self, *, target_size: str = "average", over: str = RandomOverSampler.name, k_neighbors: int = 5
    ) -> None:
        super().__init__(target_size=target_size)
        self._under = RandomUnderSampler(target_size=target_size)
        self._over: _OverSampler = RandomOverSampler(target_size=target_size)
        if over == SMOTE.name:
            self._over = SMOTE(target_size=target_size, k_neighbors=k_neighbors)

    def _balanced(
        self, X: Inputs, y: Array, rows: dict[int, Rows], size: int, rng: np.random.Generator
    ) -> tuple[Inputs, Array]:
        X, y = self._over._balanced(X, y, rows, size, rng)
        return self._under._balanced(X, y, {label: np.flatnonzero(y == label) for label in rows}, size, rng)
