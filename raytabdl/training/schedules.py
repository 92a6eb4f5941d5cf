"""Learning rates over the horizon of a training."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import ClassVar

from raytabdl.component import Choice, Component, Integer, Real, Space


class Schedule(Component):
    """The factor of a rate at a share of the horizon, at most 1."""

    def factor(self, progress: float) -> float:
        """The factor at ``progress`` in [0, 1]."""
        raise NotImplementedError

    def observe(self, train_loss: float) -> None:
        """Is told of the loss of each epoch."""

    def state(self) -> tuple[float, ...]:
        """What ``observe`` has made of the losses."""
        return ()

    def restore(self, state: Sequence[float]) -> None:
        """Takes what ``state`` gave."""


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


class CosineRestarts(Schedule):
    """Half cosines of which each is ``factor_length`` times as long as the one before (Loshchilov & Hutter, 2017).

    >>> [round(CosineRestarts(n_cycles=2, factor_length=2).factor(t), 2) for t in (0, 1 / 6, 1 / 3, 2 / 3, 1)]
    [1.0, 0.5, 0.0, 0.5, 0.0]
    """

    name: ClassVar[str] = "cosine_restarts"
    space: ClassVar[Space] = {"n_cycles": Integer(2, 6, default=3), "factor_length": Choice((1, 2), default=2)}

    def __init__(self, *, n_cycles: int = 3, factor_length: int = 2) -> None:
        lengths = [factor_length**i for i in range(n_cycles)]
        self._ends = [sum(lengths[: i + 1]) / sum(lengths) for i in range(n_cycles)]

    def factor(self, progress: float) -> float:
        return _half_cosine(_position(self._ends, progress))


class Cyclic(Schedule):
    """From ``least`` up to 1 and back in straight lines, ``n_cycles`` times (Smith, 2017, "triangular").

    >>> [round(Cyclic(n_cycles=2, least=0.1).factor(t), 2) for t in (0, 0.25, 0.5, 0.625, 1)]
    [0.1, 1.0, 0.1, 0.55, 0.1]
    """

    name: ClassVar[str] = "cyclic"
    space: ClassVar[Space] = {"n_cycles": Integer(2, 10, default=4), "least": Real(1e-3, 0.5, default=0.01, log=True)}

    def __init__(self, *, n_cycles: int = 4, least: float = 0.01) -> None:
        self.n_cycles = n_cycles
        self.least = least

    def factor(self, progress: float) -> float:
        return 1 - (1 - self.least) * abs(2 * (progress * self.n_cycles % 1) - 1)


class Step(Schedule):
    """``n_steps`` equal parts of the horizon, each at ``gamma`` times the rate of the one before.

    >>> [round(Step(n_steps=3, gamma=0.1).factor(t), 3) for t in (0, 0.3, 0.4, 0.7, 1)]
    [1.0, 1.0, 0.1, 0.01, 0.01]
    """

    name: ClassVar[str] = "step"
    space: ClassVar[Space] = {"n_steps": Integer(2, 10, default=3), "gamma": Real(1e-2, 0.9, default=0.1, log=True)}

    def __init__(self, *, n_steps: int = 3, gamma: float = 0.1) -> None:
        self.n_steps = n_steps
        self.gamma = gamma

    def factor(self, progress: float) -> float:
        return self.gamma ** min(int(progress * self.n_steps), self.n_steps - 1)


class Exponential(Schedule):
    """Falls by the same factor in equal parts of the horizon, to ``last`` at its end.

    >>> [round(Exponential(last=0.01).factor(t), 3) for t in (0, 0.5, 1)]
    [1.0, 0.1, 0.01]
    """

    name: ClassVar[str] = "exponential"
    space: ClassVar[Space] = {"last": Real(1e-4, 0.5, default=1e-2, log=True)}

    def __init__(self, *, last: float = 1e-2) -> None:
        self.last = last

    def factor(self, progress: float) -> float:
        return float(self.last**progress)


class Plateau(Schedule):
    """Falls by ``drop`` after ``patience`` epochs in which the training loss was not the least so far."""

    name: ClassVar[str] = "plateau"
    space: ClassVar[Space] = {"drop": Real(0.05, 0.5, default=0.2, log=True), "patience": Integer(3, 10, default=5)}

    def __init__(self, *, drop: float = 0.2, patience: int = 5) -> None:
        self.drop = drop
        self.patience = patience
        self._factor, self._least, self._n_waited = 1.0, math.inf, 0

    def factor(self, progress: float) -> float:
        return self._factor

    def observe(self, train_loss: float) -> None:
        if train_loss < self._least:
            self._least, self._n_waited = train_loss, 0
            return
        self._n_waited += 1
        if self._n_waited == self.patience:
            self._factor, self._n_waited = self._factor * self.drop, 0

    def state(self) -> tuple[float, ...]:
        return self._factor, self._least, self._n_waited

    def restore(self, state: Sequence[float]) -> None:
        self._factor, self._least, n_waited = state
        self._n_waited = int(n_waited)


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
