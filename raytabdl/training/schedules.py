"""Learning rates over the horizon of a training."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import ClassVar

from raytabdl.component import Component


class Schedule(Component):
    """The factor of a rate at a share of the horizon, at most 1."""

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
        self._ends = _rungs(eta, n_rungs)

    def factor(self, progress: float) -> float:
        return _half_cosine(_position(self._ends, progress))


class Coslog(Schedule):
    """Four cycles, each twice as long as the one before: (1 - cos(2 pi log2(1 + 15 t))) / 2 (Holzmüller et al., 2024).

    It is zero at 0, 1/15, 1/5, 7/15 and 1, and rises from there.

    >>> [round(Coslog().factor(t), 2) for t in (0, 1 / 15, 1 / 5, 1 / 3, 1)]
    [0.0, 0.0, 0.0, 0.93, 0.0]
    """

    name: ClassVar[str] = "coslog4"

    def factor(self, progress: float) -> float:
        return (1 - math.cos(2 * math.pi * math.log2(1 + 15 * progress))) / 2


class CoslogCycles(Schedule):
    """The cycles of ``Coslog`` laid between the rungs, where it is zero: a trial is annealed wherever it is paused.

    >>> [round(CoslogCycles(eta=3, n_rungs=2).factor(t), 2) for t in (0, 1 / 6, 1 / 3, 2 / 3, 1)]
    [0.0, 0.84, 0.0, 0.84, 0.0]
    """

    name: ClassVar[str] = "coslog_cycles"

    def __init__(self, *, eta: int = 3, n_rungs: int = 4) -> None:
        self.eta = eta
        self._ends = _rungs(eta, n_rungs)

    def factor(self, progress: float) -> float:
        within = _position(self._ends, progress)
        return (1 - math.cos(2 * math.pi * math.log(1 + (self.eta - 1) * within, self.eta))) / 2


class FlatCosine(Schedule):
    """1 over the first half, then half a cosine (Holzmüller et al., 2024)."""

    name: ClassVar[str] = "flat_cosine"

    def factor(self, progress: float) -> float:
        return _half_cosine(max(0.0, 2 * progress - 1))


class Constant(Schedule):
    """Always 1."""

    name: ClassVar[str] = "constant"

    def factor(self, progress: float) -> float:
        return 1.0


def _half_cosine(progress: float) -> float:
    return (1 + math.cos(math.pi * progress)) / 2


def _rungs(eta: int, n_rungs: int) -> list[float]:
    """The shares of the horizon where a trial may be paused, the whole of it last."""
    if eta < 2 or n_rungs < 1:
        raise ValueError(f"must hold eta >= 2 and n_rungs >= 1, got {eta=}, {n_rungs=}")
    return [1 / eta**k for k in reversed(range(n_rungs))]


def _position(ends: list[float], progress: float) -> float:
    """How far it is, in [0, 1], through the cycle that ends at or after it."""
    begin, end = next(cycle for cycle in pairwise([0.0, *ends]) if progress <= cycle[1])
    return (progress - begin) / (end - begin)
