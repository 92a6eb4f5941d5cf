"""Hyperband without the rung barrier: who is promoted, who waits, who stops."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum

TrialId = str


@dataclass(frozen=True)
class Budgets:
    """The budgets at which trials are judged: the powers of eta from 1 up.

    >>> Budgets(eta=3, n_rungs=4).rungs
    (1, 3, 9, 27)
    """

    eta: int = 3
    n_rungs: int = 4

    def __post_init__(self) -> None:
        if self.eta < 2 or self.n_rungs < 1:
            raise ValueError(f"must hold eta >= 2 and n_rungs >= 1, got {self.eta=}, {self.n_rungs=}")

    @property
    def rungs(self) -> tuple[int, ...]:
        return tuple(self.eta**k for k in range(self.n_rungs))

    @property
    def max_budget(self) -> int:
        return self.rungs[-1]

    def rung_below(self, budget: int) -> int:
        """The largest rung that a budget of at least 1 has come to."""
        return max(rung for rung in self.rungs if rung <= budget)


@dataclass(frozen=True)
class Rung:
    """How many trials of a bracket are to be judged at a budget."""

    n_trials: int
    budget: int


class Decision(Enum):
    """What a trial does after a report."""

    CONTINUE = "continue"
    PROMOTE = "promote"
    PAUSE = "pause"
    STOP = "stop"


@dataclass(frozen=True)
class Occupancy:
    """How many trials stand where at one budget, over all brackets."""

    racing: int = 0
    waiting: int = 0
    promoted: int = 0
    stopped: int = 0
    failed: int = 0


def hyperband(budgets: Budgets) -> tuple[tuple[Rung, ...], ...]:
    """The brackets of one Hyperband iteration, widest first, in the sizes of Tune's HyperBandForBOHB.

    >>> [[(r.n_trials, r.budget) for r in b] for b in hyperband(Budgets(eta=3, n_rungs=3))]
    [[(9, 1), (3, 3), (1, 9)], [(5, 3), (2, 9)], [(3, 9)]]
    """
    k, eta = budgets.n_rungs, budgets.eta
    return tuple(_halving(math.ceil(k / (s + 1) * eta**s), budgets.rungs[-(s + 1) :], eta) for s in reversed(range(k)))


def opening(n_trials: int, budgets: Budgets, first_rung: int) -> tuple[Rung, ...]:
    """A bracket for so many trials that starts at the rung of that index.

    >>> [(r.n_trials, r.budget) for r in opening(8, Budgets(eta=3, n_rungs=4), first_rung=2)]
    [(8, 9), (3, 27)]
    """
    return _halving(n_trials, budgets.rungs[first_rung:], budgets.eta)


def decide(*, n_ahead: int, n_recorded: int, n_next: int, eta: int, complete: bool) -> Decision:
    """What is due for a trial that has been judged at a rung.

    ``n_ahead`` counts the trials that were promoted from the rung and those that wait there with a better
    loss; ``n_recorded`` the losses at the rung, failures included; ``n_next`` the places at the next rung.

    A trial goes up while it is in the top 1/eta of what has been recorded, as in ASHA (Li et al. 2020,
    algorithm 2). Where ASHA promotes any number of trials on the way, here never more than 1/eta of the
    recorded ones have gone up: places are kept for those that come late, so the best of a rung always gets one.
    """
    if n_ahead >= n_next:
        return Decision.STOP
    return Decision.PROMOTE if complete or n_ahead < n_recorded // eta else Decision.PAUSE


class _Standing(Enum):
    RACING = "racing"
    WAITING = "waiting"
    STOPPED = "stopped"
    FAILED = "failed"


@dataclass
class _Entrant:
    bracket: int
    rung: int
    standing: _Standing = _Standing.RACING


@dataclass
class _Bracket:
    rungs: tuple[Rung, ...]
    members: list[_Entrant] = field(default_factory=list)
    losses: list[dict[TrialId, float]] = field(init=False)  # one dict for each rung, in order of arrival
    n_promoted: list[int] = field(init=False)  # from each rung
    n_withdrawn: list[int] = field(init=False)

    def __post_init__(self) -> None:
        self.losses = [{} for _ in self.rungs]
        self.n_promoted = [0 for _ in self.rungs]
        self.n_withdrawn = [0 for _ in self.rungs]

    @property
    def filled(self) -> bool:
        return len(self.members) >= self.rungs[0].n_trials

    def n_gone(self, rung: int) -> int:
        """How many places of the next rung are taken by trials that have left this one."""
        return self.n_promoted[rung] + self.n_withdrawn[rung]

    def n_next(self, rung: int) -> int:
        return self.rungs[rung + 1].n_trials if rung + 1 < len(self.rungs) else 0


class Race:
    """The brackets of Hyperband that are under way, and where each trial stands.

    Brackets are filled one after another, cycling over ``hyperband(budgets)`` from ``first_bracket`` on; before them
    come the ``openings``, for the portfolio. No trial waits for its rung to fill when it is good enough already, and
    one that leads goes up in any case, beyond the places of Hyperband: what is best with less is worth more.
    ``report`` records a loss and answers what is due; what is done then (``promote``, ``stop``, ``withdraw``,
    ``fail``) must be said, and a trial that is due for a pause waits from then on. So the same calls in the same
    order rebuild the same race.
    """

    def __init__(self, budgets: Budgets, first_bracket: int = 0, openings: Sequence[tuple[Rung, ...]] = ()) -> None:
        if not 0 <= first_bracket < budgets.n_rungs:
            raise ValueError(f"first_bracket must be from 0 to n_rungs - 1, got {first_bracket=}, {budgets.n_rungs=}")
        self.budgets = budgets
        self._shapes = hyperband(budgets)
        self._first_bracket = first_bracket
        self._openings = tuple(openings)
        self._brackets: list[_Bracket] = []
        self._entrants: dict[TrialId, _Entrant] = {}
        self._least_at_end: float | None = None
        self._due_now: dict[Decision, list[TrialId]] = {}  # of what waits; asked far more often than it changes

    def __contains__(self, trial_id: TrialId) -> bool:
        return trial_id in self._entrants

    def add(self, trial_id: TrialId, bracket: int | None = None) -> int:
        """Enters a trial in the bracket being filled, or in the one it was in before; the bracket's index.

        Brackets are counted in the order in which they are opened.
        """
        if trial_id in self._entrants:
            raise ValueError(f"a trial enters once, got {trial_id=} again")
        if bracket is None:
            unfilled = (index for index, b in enumerate(self._brackets) if not b.filled)
            bracket = next(unfilled, len(self._brackets))
        while len(self._brackets) <= bracket:
            turn = self._first_bracket + len(self._brackets) - len(self._openings)
            is_opening = len(self._brackets) < len(self._openings)
            shape = self._openings[len(self._brackets)] if is_opening else self._shapes[turn % len(self._shapes)]
            self._brackets.append(_Bracket(shape))
        self._due_now.clear()
        self._entrants[trial_id] = _Entrant(bracket, rung=0)
        self._brackets[bracket].members.append(self._entrants[trial_id])
        return bracket

    def bracket_of(self, trial_id: TrialId) -> int:
        """The index of the bracket that a trial is in."""
        return self._entrants[trial_id].bracket

    def is_in_opening(self, trial_id: TrialId) -> bool:
        """Whether a trial is in a bracket of the portfolio."""
        return self._entrants[trial_id].bracket < len(self._openings)

    def leads(self, trial_id: TrialId) -> bool:
        """Whether a trial waits below the last rung and is better than all that were trained to the end."""
        entrant = self._entrants[trial_id]
        if self._least_at_end is None or entrant.standing is not _Standing.WAITING:
            return False
        is_below = self._brackets[entrant.bracket].n_next(entrant.rung) > 0
        return is_below and self._losses_beside(trial_id)[trial_id] < self._least_at_end

    def milestone(self, trial_id: TrialId) -> int:
        """The budget at which a racing trial is judged next; where a waiting one was judged last."""
        entrant = self._entrants[trial_id]
        return self._brackets[entrant.bracket].rungs[entrant.rung].budget

    def report(self, trial_id: TrialId, budget: int, loss: float) -> Decision:
        """Records the loss of a trial that has reached its milestone; what is due for the trial.

        A budget beyond the milestone is judged there; the first of equal losses is better. With a loss that is
        NaN or infinite the trial has failed: it never goes up, however few are better.
        """
        entrant = self._entrants[trial_id]
        if entrant.standing is _Standing.RACING:
            if budget < self.milestone(trial_id):
                return Decision.CONTINUE
            self._due_now.clear()
            if math.isfinite(loss):
                self._losses_beside(trial_id)[trial_id] = loss
                entrant.standing = _Standing.WAITING
                if self.milestone(trial_id) == self.budgets.max_budget:
                    self._least_at_end = loss if self._least_at_end is None else min(loss, self._least_at_end)
            else:
                self.fail(trial_id)
        return self._due(trial_id)

    def promote(self, trial_id: TrialId) -> None:
        """A waiting trial trains on, to the next rung."""
        entrant = self._entrants[trial_id]
        bracket = self._brackets[entrant.bracket]
        if entrant.standing is not _Standing.WAITING or bracket.n_next(entrant.rung) == 0:
            raise ValueError(f"a trial is promoted while it waits below the last rung, got {trial_id=}, {entrant=}")
        self._due_now.clear()
        bracket.n_promoted[entrant.rung] += 1
        entrant.rung += 1
        entrant.standing = _Standing.RACING

    def withdraw(self, trial_id: TrialId) -> None:
        """A trial ends that is good enough to go up: one that waits keeps its place, which no worse one gets."""
        entrant = self._entrants[trial_id]
        if entrant.standing is _Standing.WAITING:
            self._brackets[entrant.bracket].n_withdrawn[entrant.rung] += 1
        self.stop(trial_id)

    def stop(self, trial_id: TrialId) -> None:
        """A trial ends; what was recorded of it stays, also that it failed."""
        self._due_now.clear()
        entrant = self._entrants[trial_id]
        if entrant.standing is not _Standing.FAILED:
            entrant.standing = _Standing.STOPPED

    def fail(self, trial_id: TrialId) -> None:
        """A trial ends with the worst loss at the rung it was racing for, or waited at."""
        self._due_now.clear()
        self._losses_beside(trial_id)[trial_id] = math.inf
        self._entrants[trial_id].standing = _Standing.FAILED

    def promotable(self) -> list[TrialId]:
        """Waiting trials that are due to go up now: highest budget first, best first."""
        due = self._waiting_due(Decision.PROMOTE)
        return sorted(due, key=lambda trial_id: (-self.milestone(trial_id), self._losses_beside(trial_id)[trial_id]))

    def hopeless(self) -> list[TrialId]:
        """Waiting trials that cannot go up any more."""
        return list(self._waiting_due(Decision.STOP))

    def close_oldest(self) -> int | None:
        """Takes the oldest bracket with empty places and waiting trials as filled, for when no new trial will come.

        Its rungs shrink to those of a bracket that was planned for as many trials as it has. None where there is
        no such bracket: then nothing waits for trials that never come.
        """
        self._due_now.clear()
        waited_for = {self._entrants[trial_id].bracket for trial_id in self._waiting()}
        for index in sorted(waited_for):
            bracket = self._brackets[index]
            if not bracket.filled:
                bracket.rungs = _halving(len(bracket.members), [r.budget for r in bracket.rungs], self.budgets.eta)
                return index
        return None

    def rung_occupancy(self) -> dict[int, Occupancy]:
        """Where the trials stand, by budget; a promoted one counts below as promoted and above as what it is there."""
        counts = {budget: {"promoted": 0, **{s.value: 0 for s in _Standing}} for budget in self.budgets.rungs}
        for bracket in self._brackets:
            for rung, n_promoted in zip(bracket.rungs, bracket.n_promoted, strict=True):
                counts[rung.budget]["promoted"] += n_promoted
        for trial_id, entrant in self._entrants.items():
            counts[self.milestone(trial_id)][entrant.standing.value] += 1
        return {budget: Occupancy(**count) for budget, count in counts.items()}

    def _losses_beside(self, trial_id: TrialId) -> dict[TrialId, float]:
        """The losses at the rung of a trial, in order of arrival."""
        entrant = self._entrants[trial_id]
        return self._brackets[entrant.bracket].losses[entrant.rung]

    def _waiting_due(self, decision: Decision) -> list[TrialId]:
        """The waiting trials for which a decision is due."""
        if not self._due_now:
            self._due_now = {each: [] for each in Decision}
            for trial_id in self._waiting():
                self._due_now[self._due(trial_id)].append(trial_id)
        return self._due_now[decision]

    def _waiting(self) -> Iterator[TrialId]:
        return (trial_id for trial_id, e in self._entrants.items() if e.standing is _Standing.WAITING)

    def _due(self, trial_id: TrialId) -> Decision:
        entrant = self._entrants[trial_id]
        if entrant.standing is not _Standing.WAITING:
            return Decision.STOP
        if self.leads(trial_id):
            return Decision.PROMOTE
        bracket, rung = self._brackets[entrant.bracket], entrant.rung
        losses = bracket.losses[rung]
        ranked = sorted(losses, key=losses.__getitem__)  # stable: the first to arrive wins a tie
        better = ranked[: ranked.index(trial_id)]
        return decide(
            n_ahead=bracket.n_gone(rung) + sum(self._waits_at(other, entrant.bracket, rung) for other in better),
            n_recorded=len(losses),
            n_next=bracket.n_next(rung),
            eta=self.budgets.eta,
            complete=self._complete(entrant.bracket, rung),
        )

    def _complete(self, index: int, rung: int) -> bool:
        """Whether the rung has the losses of all trials that can come to it."""
        bracket = self._brackets[index]
        if not bracket.filled or any(e.rung <= rung and e.standing is _Standing.RACING for e in bracket.members):
            return False
        # Below, all that may still go up have gone up: every place is taken, or nobody waits.
        return all(
            bracket.n_gone(lower) >= bracket.n_next(lower)
            or not any(e.rung == lower and e.standing is _Standing.WAITING for e in bracket.members)
            for lower in range(rung)
        )

    def _waits_at(self, trial_id: TrialId, index: int, rung: int) -> bool:
        return self._entrants[trial_id] == _Entrant(index, rung, _Standing.WAITING)


def _halving(n_trials: int, budgets: tuple[int, ...] | list[int], eta: int) -> tuple[Rung, ...]:
    rungs = [Rung(n_trials, budgets[0])]
    for budget in budgets[1:]:
        rungs.append(Rung(math.ceil(rungs[-1].n_trials / eta), budget))
    return tuple(rungs)
