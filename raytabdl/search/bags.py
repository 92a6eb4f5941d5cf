"""Which configurations to train on the other folds as well: a k-fold bag is the mean of the models of all folds."""

from __future__ import annotations

from collections.abc import Collection
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
    bags: Collection[Bag], n_folds: int, remaining_s: float, n_workers: int, *, is_early: bool
) -> tuple[str, int] | None:
    """The trial and the fold to train it on next, or None where nothing is left that can end in time.

    The one whose completion is worth most a second comes first: only a whole bag predicts every row. One that the
    workers cannot complete in the time is left for one that they can; then some more folds are better than none. Those
    worth less than nothing come after all others, in their order, and whole or not at all. While it ``is_early``, which
    is while other trials may be worth more, there are only whole bags that are worth something.
    """
    missing = {bag.trial_id: [fold for fold in range(n_folds) if fold not in bag.folds] for bag in bags}
    wanted = [bag for bag in bags if missing[bag.trial_id]]
    in_order = sorted(wanted, key=lambda bag: -bag.worth / max(bag.seconds * len(missing[bag.trial_id]), 1e-9))
    worthy = [bag for bag in in_order if bag.worth > 0]
    others = sorted((bag for bag in wanted if bag.worth <= 0), key=lambda bag: -bag.worth)

    def fits(bag: Bag, n_folds: int) -> bool:
        n_rounds = -(-n_folds // n_workers)
        return n_rounds * (bag.seconds if is_early else bag.least_seconds) * MARGIN <= remaining_s

    chosen = [bag for bag in worthy if fits(bag, len(missing[bag.trial_id]))]
    if not is_early:
        chosen += [bag for bag in worthy if fits(bag, 1)]
        chosen += [bag for bag in others if fits(bag, len(missing[bag.trial_id]))]
    return (chosen[0].trial_id, missing[chosen[0].trial_id][0]) if chosen else None


def seconds_to_complete(bags: Collection[Bag], n_folds: int, n_workers: int) -> float:
    """How long the workers train the missing folds of all bags: side by side, and no shorter than one bag takes."""
    missing = [(n_folds - len(bag.folds), bag.seconds) for bag in bags]
    side_by_side = sum(n * seconds for n, seconds in missing) / n_workers
    return max([side_by_side, *(-(-n // n_workers) * seconds for n, seconds in missing)])
