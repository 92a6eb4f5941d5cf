"""The trials that train the ensemble's configurations on the other folds."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from raytabdl.clock import Clock
from raytabdl.ensemble import LEAST_BAGS, Ensemble
from raytabdl.history import BAG, PORTFOLIO, QUICK, History, Result, Status, trial_seed
from raytabdl.names import fold_of, fold_trial, trial_of
from raytabdl.runtime.recorder import Recorder
from raytabdl.runtime.searcher import Suggestion
from raytabdl.search.bags import Bag, leaves_a_share, next_fold, seconds_to_complete
from raytabdl.space import ROOT

BASELINE = "dummy"

N_BEST = 10
"""How many configurations are trained on the other folds beside those of the ensemble and the best of each family."""

N_SURE = 1_000
"""Validation rows that tell well what is worth a bag: of fewer, more configurations get one."""

MAX_BEHIND = 0.1
"""By how much more than the best rung loss, relatively, theirs may be; other families are worth it in any case."""

EARLIEST = 1.3
"""How many times what the missing folds take is left where it is time to train them."""

MOST_RUNNING = 0.25
"""Of the portfolio, which may still train when it is through: a slow network does not keep the bags waiting."""

SHORTEST = 0.6
"""Of the seconds of a network's first fold: in so few another one is trained, over a shorter horizon, at the end."""


@dataclass
class _Best:
    """The first result of each trial with its lowest rung loss, and the seconds to it, as results come.

    What came after it did not change the predictions of the trial.
    """

    results: dict[str, Result] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    of_bags_s: float = 0.0
    """Those of all folds but the first."""
    _spent: dict[str, float] = field(default_factory=dict)
    _n_seen: int = 0

    def update(self, history: History) -> None:
        for result in history.results[self._n_seen :]:
            name = result.trial_id
            if fold_of(name) > 0:
                self.of_bags_s += result.seconds.total
                continue
            self._spent[name] = self._spent.get(name, 0.0) + result.seconds.total
            if name not in self.results or result.rung_loss < self.results[name].rung_loss:
                self.results[name] = result
                self.seconds[name] = self._spent[name]
        self._n_seen = len(history.results)


@dataclass
class _Known:
    """The bags of a history and an ensemble: they are asked for far more often than these change."""

    n_records: int = -1
    ensemble: Ensemble | None = None
    bags: list[Bag] = field(default_factory=list)
    taken_s: float = 0.0
    """What the folds that were begun take of the workers, those that train included."""


@dataclass(frozen=True, kw_only=True)
class Folds:
    """Suggests the next fold of a configuration; ``ensemble`` is that of fold 0.

    It begins when the portfolio is through but for a few, or else at ``begin_s`` of the run. Until all of the portfolio
    was tried, only those of the ensemble get a bag, and only when there is just time to complete them: another family
    may be worth more. From then on they get it at once, unless they wait at a rung, from which they may yet go up; and
    all others that are wanted when there is just time for them, until which the search goes on. Where fold 0 has few
    rows, those of the portfolio are not kept waiting, as long as they leave the search its share: what they are worth
    is only known by all rows, and among many trials fold 0 finds ones that are best on its own rows by chance.
    """

    history: History
    n_folds: int
    n_workers: Callable[[], int]
    """As many as there are now."""
    clock: Clock
    begin_s: float
    end_s: float
    run_seed: int
    max_budget: int
    networks: frozenset[str]
    portfolio_is_tried: Callable[[], bool]
    ensemble: Callable[[], Ensemble | None]
    n_valid: int
    """The validation rows of fold 0."""
    longer_than_quick: float = 1.0
    """How many times as many iterations a classic model has at the full budget as a quick one."""
    _best: _Best = field(default_factory=_Best, init=False)
    _known: _Known = field(default_factory=_Known, init=False)

    def next(self) -> Suggestion | None:
        """The next trial on another fold, or None while it is too early, too late, or nothing is left to train."""
        elapsed = self.clock.elapsed()
        members = [trial.id for trial in self.history.trials.values() if trial.origin == PORTFOLIO]
        is_tried = self.portfolio_is_tried()
        n_running = sum(self.history.statuses[name] is Status.RUNNING for name in members)
        are_through = members and n_running <= MOST_RUNNING * len(members)
        if not ((is_tried and are_through) or self.begin_s <= elapsed) or elapsed >= self.end_s:
            return None
        if (ensemble := self.ensemble()) is None:
            return None
        bags = self._bags(ensemble)
        of_ensemble = [bag for bag in bags if bag.worth > 0]
        is_late = self._is_time_for(bags if is_tried else of_ensemble)
        if not is_tried:
            if not is_late:
                return None
            bags = of_ensemble
        elif not is_late:
            bags = [bag for bag in bags if len(bag.folds) > 1 or self._is_due(bag)]
        left_s, is_early = self.end_s - elapsed, not (is_tried and is_late)
        chosen = next_fold(bags, self.n_folds, left_s, self.n_workers(), is_early=is_early, n_enough=LEAST_BAGS)
        if chosen is None:
            return None
        trial_id, fold = chosen
        trial, name = self.history.trials[trial_id], fold_trial(trial_id, fold)
        # A quick model counts its budget by another horizon: it may go on to the end, and keeps its best point.
        is_quick = trial.origin == QUICK
        train_to = self.max_budget if is_quick else self._best.results[trial_id].budget
        return Suggestion(name, trial.config, BAG, trial_seed(self.run_seed, name), fold, train_to)

    def _is_due(self, bag: Bag) -> bool:
        """Whether a bag is begun while the search goes on: it cannot go up any more, and is worth it.

        That is a member of the ensemble, or what is known to work on other tables, where fold 0 tells little of it and
        the search has had its share.
        """
        if self.history.statuses[bag.trial_id] is Status.PAUSED:
            return False
        is_known = self.history.trials[bag.trial_id].origin in (PORTFOLIO, QUICK)
        has_room = leaves_a_share(self._known.taken_s, self.clock.elapsed(), self.n_workers())
        return bag.worth > 0 or (is_known and self.n_valid < N_SURE and has_room)

    def is_pressed(self) -> bool:
        """Whether there is no more time than the ensemble's bags take."""
        ensemble = self.ensemble()
        return ensemble is not None and self._is_time_for([bag for bag in self._bags(ensemble) if bag.worth > 0])

    def _is_time_for(self, bags: Sequence[Bag]) -> bool:
        left_s = self.end_s - self.clock.elapsed()
        return left_s <= EARLIEST * seconds_to_complete(bags, self.n_folds, self.n_workers())

    def restart(self, recorder: Recorder) -> None:
        """Ends what an earlier run left unfinished: a fold begins anew."""
        for name, status in list(self.history.statuses.items()):
            if status is Status.RUNNING and fold_of(name) > 0:
                recorder.changed(name, Status.STOPPED, "the run was interrupted")

    def _bags(self, ensemble: Ensemble) -> list[Bag]:
        known = self._known
        if known.n_records != self.history.n_records or known.ensemble != ensemble:
            known.bags, known.taken_s = self._wanted_bags(ensemble), self._taken_s()
            known.n_records, known.ensemble = self.history.n_records, ensemble
        return known.bags

    def _wanted_bags(self, ensemble: Ensemble) -> list[Bag]:
        """Those of the ensemble, then the best of each family, then the best of all, but none that trains now.

        Nor one that has failed on a fold: it will not be whole.
        """
        begun: dict[str, set[int]] = {}
        failed = {trial_of(name) for name, status in self.history.statuses.items() if status.is_failure}
        for name, status in self.history.statuses.items():
            if status is not Status.STOPPED or fold_of(name) == 0:  # on a fold that was cut short a trial begins anew
                begun.setdefault(trial_of(name), set()).add(fold_of(name))
        self._best.update(self.history)
        bags = []
        for trial_id, worth in self._wanted(ensemble).items():
            if self.history.statuses[trial_id] is not Status.RUNNING and trial_id not in failed:  # on whatever fold
                seconds = self._seconds(trial_id)
                is_network = self.history.trials[trial_id].config[ROOT] in self.networks
                least = seconds * (SHORTEST if is_network else 1.0)
                bags.append(Bag(trial_id, worth, seconds, least, frozenset(begun[trial_id])))
        return bags

    def _seconds(self, trial_id: str) -> float:
        """What one more fold of a trial is expected to take."""
        seconds = self._best.seconds[trial_id]
        if self.history.trials[trial_id].origin == QUICK:  # it was left when Ray was ready; its folds train to the end
            seconds *= self.max_budget / self._best.results[trial_id].budget * self.longer_than_quick
        return seconds

    def _taken_s(self) -> float:
        """The seconds of workers that folds took which have ended, and that those which train are expected to take."""
        running = [name for name, status in self.history.statuses.items() if status is Status.RUNNING]
        return self._best.of_bags_s + sum(self._seconds(trial_of(name)) for name in running if fold_of(name) > 0)

    def _wanted(self, ensemble: Ensemble) -> dict[str, float]:
        """The trials worth a bag with what puts them in order: above 0 a weight in the ensemble, below it a rank.

        Ranked by rung losses: some metrics of few rows hardly tell two models apart. A quick model is not wanted where
        the search has a better one of its kind, which mostly is the same.
        """
        trials = self.history.trials
        losses = {trial_id: result.rung_loss for trial_id, result in self._best.results.items()}
        models = {trial_id: trials[trial_id].config[ROOT] for trial_id in losses}
        least = {model: math.inf for model in models.values()}
        for trial_id, loss in losses.items():
            if trials[trial_id].origin != QUICK:
                least[models[trial_id]] = min(loss, least[models[trial_id]])
        models = {
            t: model
            for t, model in models.items()
            if model != BASELINE and not (trials[t].origin == QUICK and least[model] <= losses[t])
        }
        ranked = sorted(models, key=losses.__getitem__)
        best_of_model = list({models[t]: t for t in reversed(ranked)}.values())
        enough = (1 + MAX_BEHIND) * min(losses.values(), default=math.inf)
        near = [t for t in ranked if losses[t] <= enough]
        n_best = N_BEST * min(N_SURE, self.n_valid) // self.n_valid
        in_order = [*sorted(best_of_model, key=ranked.index), *near][: n_best + len(best_of_model)]
        wanted = {trial_id: -float(rank) for rank, trial_id in reversed(list(enumerate(in_order)))}
        for member, weight in ensemble.weights.items():
            if trial_of(member) in models:
                wanted[trial_of(member)] = weight
        return wanted
