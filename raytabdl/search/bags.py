"""Which configurations to train on the other folds as well: a k-fold bag is the mean of the models of all folds."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

MARGIN = 1.15
"""A fold is begun where so many times what the first one took is left."""


@dataclass(frozen=True)
class Bag:
    """A configuration that is worth one: what it is worth, the seconds of one fold, the folds that were begun.

    A fold that is short of time can be trained in ``least_seconds``.
    """

    trial_id: str
    worth: float
    seconds: float
    least_seconds: float
    folds: frozenset[int]


def next_fold(
    bags: Iterable[Bag], n_folds: int, remaining_s: float, n_workers: int, *, is_early: bool
) -> tuple[str, int] | None:
    """The trial and the fold to train it on next, or None where nothing is left that can end in time.

    The one that is worth most a second comes first and is completed before the next: only a whole bag predicts every
    row. Those worth less than nothing come after all others, in their order. While it ``is_early``, which is while
    other trials may be worth more, they are left out, and no bag is begun that the workers cannot complete in the time.
    """
    worthy = [bag for bag in bags if bag.worth > 0 or not is_early]
    for bag in sorted(worthy, key=lambda bag: -bag.worth / bag.seconds if bag.worth > 0 else -bag.worth):
        missing = [fold for fold in range(n_folds) if fold not in bag.folds]
        n_rounds = -(-len(missing) // n_workers)
        has_time = bag.least_seconds * MARGIN <= remaining_s
        if missing and has_time and (not is_early or n_rounds * bag.seconds * MARGIN <= remaining_s):
            return bag.trial_id, missing[0]
    return None


def seconds_to_complete(bags: Iterable[Bag], n_folds: int, n_workers: int) -> float:
    """How long the workers train the missing folds of all bags that are worth something, one bag after the other."""
    return sum(-((len(bag.folds) - n_folds) // n_workers) * bag.seconds for bag in bags if bag.worth > 0)
