"""Learning rates over the horizon of a training."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import ClassVar

from raytabdl.component import Component


class Schedule(Component):
    """The factor of the learning rate at a share of the horizon, from 1 at its beginning to 0 at its end."""

    def factor(self, progress: float) -> float:
        """The factor at ``progress`` in [0, 1]."""
        raise NotImplementedError


class Cosine(Schedule):
    """Half a cosine (Loshchilov & Hutter, 2017, without restarts)."""

    name: ClassVar[str] = "cosine"

    def factor(self, progress: float) -> float:
        return _half_cosine(progress)


class CosineCycles(Schedule):
    """Half a cosine up to each rung, so that a trial is annealed wherever it is paused or stopped.

    The rungs are at 1 / eta**(n_rungs - 1), ..., 1 / eta and 1; a rung itself belongs to the cycle that it ends.

    >>> [round(CosineCycles(eta=3, n_rungs=2).factor(t), 2) for t in (0, 1 / 6, 1 / 3, 2 / 3, 1)]
    [1.0, 0.5, 0.0, 0.5, 0.0]
    """

    name: ClassVar[str] = "cosine_cycles"

    def __init__(self, *, eta: int = 3, n_rungs: int = 4) -> None:
        if eta < 2 or n_rungs < 1:
            raise ValueError(f"must hold eta >= 2 and n_rungs >= 1, got {eta=}, {n_rungs=}")
        self._ends = [1 / eta**k for k in reversed(range(n_rungs))]

    def factor(self, progress: float) -> float:
        begin, end = next(cycle for cycle in pairwise([0.0, *self._ends]) if progress <= cycle[1])
        return _half_cosine((progress - begin) / (end - begin))


def _half_cosine(progress: float) -> float:
    return (1 + math.cos(math.pi * progress)) / 2
