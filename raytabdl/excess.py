"""Which models of a long run are in excess: those that no ensemble to come can hold, and none so far has held."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass

from raytabdl.history import QUICK
from raytabdl.names import budget_of, fold_of, trial_of


@dataclass(frozen=True)
class Stored:
    """A member whose model and predictions lie on the disk.

    ``loss`` is that of the run's metric, ``usual_loss`` on fold 0 what trials are promoted on, ``family`` the name of
    its network or classic model, ``n_bytes`` what it takes on the disk.
    """

    loss: float
    usual_loss: float
    family: str
    n_bytes: int


@dataclass(frozen=True)
class Bounds:
    """How many members may be stored, and how much they may take."""

    n_members: int
    n_bytes: float

    def hold(self, n_members: int, n_bytes: float) -> bool:
        return n_members <= self.n_members and n_bytes <= self.n_bytes


def excess(
    stored: Mapping[str, Stored], told: Collection[str], bounds: Bounds, *, n_best: int, bags: Collection[str] = ()
) -> list[str]:
    """The members without which the others are within the bounds, or as near as they may come; worth least first.

    First go members whose loss is infinite, which no ensemble can hold, then points of trials that are neither their
    best by the metric nor by the usual loss, then whole trials, with their models of all folds. Never in excess are
    those that were ``told`` in an ensemble, quick models, of each family the best trial, the trials among the
    ``n_best`` by the metric or by the usual loss, and those of the ``bags`` that are selected among, or are in the
    making. Losses are only ever added, so what is not among the best will not be: an ensemble, which is selected among
    the ``n_best``, is the same as with all members.
    """
    n_members, n_bytes = len(stored), sum(own.n_bytes for own in stored.values())
    found: list[str] = []
    for members in _dispensable(stored, told, n_best, bags):
        if bounds.hold(n_members, n_bytes):
            break
        found += members
        n_members -= len(members)
        n_bytes -= sum(stored[member].n_bytes for member in members)
    return found


def _dispensable(
    stored: Mapping[str, Stored], told: Collection[str], n_best: int, bags: Collection[str]
) -> Iterator[list[str]]:
    """What may go together, worth least first."""
    free = [member for member in stored if member not in told and not member.startswith(QUICK)]
    usable = {member: own for member, own in stored.items() if math.isfinite(own.loss)}
    yield from ([member] for member in free if member not in usable)
    by_loss = _best_of_trials(usable, lambda member: usable[member].loss)
    by_usual_loss = _best_of_trials(usable, lambda member: usable[member].usual_loss)
    best = {*by_loss.values(), *by_usual_loss.values()}
    superseded = {member for member in free if member in usable and fold_of(member) == 0 and member not in best}
    for member in sorted(superseded, key=lambda member: (-usable[member].loss, member)):
        yield [member]
    of_trials: dict[str, list[str]] = {}
    for member in free:
        if member in usable and member not in superseded:
            of_trials.setdefault(trial_of(member), []).append(member)
    places: dict[str, int] = {}
    for in_order in (by_loss, by_usual_loss):
        for place, trial in enumerate(in_order):
            places[trial] = min(place, places.get(trial, place))
    of_families = {usable[member].family: trial for trial, member in reversed(by_usual_loss.items())}
    needed = {trial for trial, place in places.items() if place < n_best} | {*of_families.values(), *bags}
    # A trial without a place has lost its model of fold 0: those of the other folds are of no use.
    for trial in sorted(of_trials, key=lambda trial: -places.get(trial, len(stored))):
        if trial not in needed:
            yield of_trials[trial]


def _best_of_trials(stored: Mapping[str, Stored], loss: Callable[[str], float]) -> dict[str, str]:
    """The best member of each trial on fold 0, the best trial first; of equals the one that was trained for longest."""
    best: dict[str, str] = {}
    on_first = (member for member in stored if fold_of(member) == 0)
    for member in sorted(on_first, key=lambda member: (loss(member), -budget_of(member))):
        best.setdefault(trial_of(member), member)
    return best
