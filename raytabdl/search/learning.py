"""A portfolio learned from what candidates did on data sets: members in the order of what each adds per second.

The greedy rule for a monotone gain under a budget of time (Streeter and Golovin 2008), on the loss of the ensemble that
the members make together, where predictions are there; else on the best loss among them (Zimmer et al. 2021).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Losses = NDArray[np.float64]

WEIGHTS = (0.1, 0.2, 0.35, 0.5, 0.7, 1.0)
"""What a candidate may get in the ensemble; the members before it share the rest."""

TRIAL_SECONDS = 1.0
"""What a trial costs beside its training: its start, evaluation, publication."""

LEAST_GAIN = 1e-4
"""A member adds at least so much, in units of what the best single candidate gains on the baseline."""

LEAST_RANGE = 0.01
"""Of the baseline's loss, which the best single candidate gains where a data set tells anything: less is chance, and as
the unit of all gains would make of the data set all that counts."""

_SMALLEST = 1e-7


@dataclass(frozen=True)
class Evidence:
    """What a data set says of n candidates.

    ``losses`` has shape (n,), those of ``terms`` where there are any, infinite where a candidate failed or was not
    tried; ``seconds`` is what each costs to the end, NaN where that is unknown; ``baseline`` is the loss of what looks
    at no column. ``terms`` has shape (n, rows): of a classification the probability of the true class, of a regression
    the error in deviations of the target. A weighted mean of predictions has the weighted mean of their terms.
    """

    name: str
    baseline: float
    losses: Losses
    seconds: Losses
    terms: NDArray[np.float32] | None
    is_classification: bool

    @property
    def range(self) -> float:
        """What the best candidate gains on the baseline; 0 where none gains anything to speak of."""
        gain = self.baseline - float(self.losses.min())
        return gain if gain >= LEAST_RANGE * self.baseline else 0.0


@dataclass(frozen=True)
class Chosen:
    """A member: the place of its candidate, what it adds to those of its round, and what it costs, in the mean."""

    candidate: int
    gain: float
    seconds: float
    round: int


class Standing:
    """How far the members chosen so far get on a data set."""

    def __init__(self, evidence: Evidence) -> None:
        self._evidence = evidence
        self.loss = evidence.baseline
        self._mean: NDArray[np.float32] | None = None
        """Of the terms of the members; None before the first one, or without predictions."""

    def gains(self) -> Losses:
        """By how much each candidate would lower the loss, as a share of the data set's range."""
        return np.asarray(np.maximum(self.loss - self._reached().min(axis=0), 0.0) / self._evidence.range)

    def add(self, candidate: int) -> None:
        """Takes a candidate in, with the weight that is best."""
        reached = self._reached()[:, candidate]
        weight = WEIGHTS[int(reached.argmin())] if len(reached) > 1 else 1.0
        if reached.min() >= self.loss:
            return
        self.loss = float(reached.min())
        terms = self._evidence.terms
        if terms is not None:
            own = terms[candidate]
            self._mean = own if self._mean is None else (1 - weight) * self._mean + weight * own

    def _reached(self) -> Losses:
        """The losses with each candidate, a row for each weight; infinite where it failed."""
        terms, mean = self._evidence.terms, self._mean
        if terms is None:
            return self._evidence.losses[np.newaxis]
        if mean is None:
            return self._evidence.losses[np.newaxis]
        mixed = ((1 - weight) * mean + np.float32(weight) * terms for weight in WEIGHTS)
        return np.stack([losses_of(own, is_classification=self._evidence.is_classification) for own in mixed])


def losses_of(terms: NDArray[np.float32], *, is_classification: bool) -> Losses:
    """Log loss of probabilities of the true class, or RMSE of errors, of each row; infinite where one is NaN."""
    if is_classification:
        losses = -np.log(np.maximum(terms, _SMALLEST)).mean(axis=1, dtype=np.float64)
    else:
        losses = np.sqrt(np.square(terms).mean(axis=1, dtype=np.float64))
    return np.asarray(np.where(np.isnan(losses), np.inf, losses))


def learn(evidences: Sequence[Evidence], families: Sequence[str], *, size: int, per_family: int) -> list[Chosen]:
    """The members in order, at most ``per_family`` of each family, whose names ``families`` gives by candidate.

    Each lowers the loss most per second, in the mean over the data sets. Once nothing gains any more, another round
    begins among the others as if there were no members: a data set unlike these may want what was second best. Data
    sets on which no candidate beats the baseline say nothing. Raises ValueError where none is left.
    """
    telling = [evidence for evidence in evidences if evidence.range > 0]
    if not telling:
        raise ValueError("on at least one data set a candidate must be better than the baseline, got none")
    seconds = mean_seconds(telling)
    of_family = np.array(families)
    is_open = np.ones(len(families), dtype=bool)
    chosen: list[Chosen] = []
    n_round, standings = 1, [Standing(evidence) for evidence in telling]
    while len(chosen) < size:
        member = _next_member(standings, seconds, is_open, n_round)
        if member is not None:
            chosen.append(member)
            for standing in standings:
                standing.add(member.candidate)
            is_open[member.candidate] = False
            own = of_family == of_family[member.candidate]
            if sum(own[one.candidate] for one in chosen) >= per_family:
                is_open &= ~own
        elif chosen and chosen[-1].round == n_round:
            n_round, standings = n_round + 1, [Standing(evidence) for evidence in telling]
        else:
            break
    return chosen


def _next_member(
    standings: Sequence[Standing], seconds: Losses, is_open: NDArray[np.bool_], n_round: int
) -> Chosen | None:
    gains = np.mean([standing.gains() for standing in standings], axis=0)
    rates = np.where(is_open & (gains >= LEAST_GAIN), gains / (seconds + TRIAL_SECONDS), -np.inf)
    best = int(rates.argmax())
    return Chosen(best, float(gains[best]), float(seconds[best]), n_round) if np.isfinite(rates[best]) else None


def mean_seconds(evidences: Sequence[Evidence]) -> Losses:
    """What each candidate costs, in the mean over the data sets on which that is known; else what the costliest does.

    The costs of a data set are taken in units of its mean cost, so that those that a candidate lacks do not count.
    """
    costs = np.array([evidence.seconds for evidence in evidences])
    units = np.nanmean(costs, axis=1, keepdims=True)
    n_known = np.isfinite(costs).sum(axis=0)
    relative = np.nansum(costs / units, axis=0) / np.maximum(n_known, 1)
    relative[n_known == 0] = relative.max()
    return np.asarray(relative * units.mean())


def stability(
    evidences: Sequence[Evidence],
    families: Sequence[str],
    *,
    size: int,
    per_family: int,
    n_draws: int,
    rng: np.random.Generator,
) -> Losses:
    """How often each candidate is chosen where the data sets are drawn anew with replacement, as a share."""
    telling = [evidence for evidence in evidences if evidence.range > 0]
    counts = np.zeros(len(families))
    for _ in range(n_draws):
        drawn = [telling[index] for index in rng.integers(0, len(telling), len(telling))]
        for member in learn(drawn, families, size=size, per_family=per_family):
            counts[member.candidate] += 1
    return counts / max(n_draws, 1)


def trajectory(evidence: Evidence, order: Sequence[int]) -> list[tuple[float, float]]:
    """The seconds of one worker at which each member is done, and the regret then, as a share of the range.

    Against the best single candidate, so that an ensemble's may be below 0; 1 is the baseline.
    """
    standing, elapsed, points = Standing(evidence), 0.0, []
    for candidate in order:
        elapsed += float(np.nan_to_num(evidence.seconds[candidate])) + TRIAL_SECONDS
        standing.add(candidate)
        points.append((elapsed, 1.0 - (evidence.baseline - standing.loss) / evidence.range))
    return points
