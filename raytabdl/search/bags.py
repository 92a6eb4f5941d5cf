"""Which configurations to train on the other folds as well: a k-fold bag is the mean of the models of all folds."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

MARGIN = 1.15
"""A fold is begun where so many times what the first one took is left."""

MOST_SHARE, START_SECONDS = 0.5, 60.0
"""Of the time that has passed, and beyond it, what bags may take before the search goes on.

With the start a run of five minutes has those of its portfolio first; an hour does not begin with half an hour of them.
"""


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
    bags: Collection[Bag], n_folds: int, remaining_s: float, n_workers: int, *, is_early: bool, n_enough: int
) -> tuple[str, int] | None:
    """The trial and the fold to train it on next, or None where nothing is left that can end in time.

    What was begun is completed first: only a whole bag predicts every row. Then comes the one whose completion is worth
    most a second, unless it takes the time that one of more worth needs; then what is worth less than nothing, in its
    order. What the workers cannot complete in the time is left; but unless there are ``n_enough`` whole bags to select
    among, some more folds are better than none. While it ``is_early``, which is while other trials may be worth more,
    no bag is begun in part, nor in its shortest form.
    """
    missing = {bag.trial_id: [fold for fold in range(n_folds) if fold not in bag.folds] for bag in bags}
    wanted = [bag for bag in bags if missing[bag.trial_id]]
    in_order = sorted(wanted, key=lambda bag: -bag.worth / max(bag.seconds * len(missing[bag.trial_id]), 1e-9))
    worthy = [bag for bag in in_order if bag.worth > 0]
    others = sorted((bag for bag in wanted if bag.worth <= 0), key=lambda bag: -bag.worth)

    def takes(bag: Bag, n_folds: int) -> float:
        return -(-n_folds // n_workers) * (bag.seconds if is_early else bag.least_seconds)

    seconds = {bag.trial_id: takes(bag, len(missing[bag.trial_id])) for bag in wanted}
    whole = [bag for bag in (*worthy, *others) if MARGIN * seconds[bag.trial_id] <= remaining_s]
    begun = [bag for bag in whole if len(bag.folds) > 1]
    if begun:
        chosen = begun[0]
    elif whole:
        left_s = remaining_s - seconds[whole[0].trial_id]
        crowded_out = [bag for bag in whole if bag.worth > whole[0].worth and MARGIN * seconds[bag.trial_id] > left_s]
        chosen = max(crowded_out, key=lambda bag: bag.worth, default=whole[0])
    elif is_early or len(bags) - len(wanted) >= n_enough:
        return None
    else:
        in_part = [bag for bag in worthy if MARGIN * takes(bag, 1) <= remaining_s]
        if not in_part:
            return None
        chosen = in_part[0]
    return chosen.trial_id, missing[chosen.trial_id][0]


def leaves_a_share(taken_s: float, passed_s: float, n_workers: int) -> bool:
    """Whether the search has had its share, so that one more bag may go before it.

    ``taken_s`` are the seconds of all workers that the bags begun so far take, ``passed_s`` those of the run.

    >>> [leaves_a_share(taken_s, passed_s=100.0, n_workers=2) for taken_s in (220.0, 221.0)]
    [True, False]
    """
    return taken_s <= n_workers * (START_SECONDS + MOST_SHARE * passed_s)


def seconds_to_complete(bags: Collection[Bag], n_folds: int, n_workers: int) -> float:
    """How long the workers train the missing folds of all bags: side by side, and no shorter than one bag takes."""
    missing = [(n_folds - len(bag.folds), bag.seconds) for bag in bags]
    side_by_side = sum(n * seconds for n, seconds in missing) / n_workers
    return max([side_by_side, *(-(-n // n_workers) * seconds for n, seconds in missing)])
