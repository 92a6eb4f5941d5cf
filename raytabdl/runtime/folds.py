"""The trials that train the ensemble's configurations on the other folds."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from raytabdl.clock import Clock
from raytabdl.ensemble import Ensemble, fold_of, fold_trial, trial_of
from raytabdl.history import History, Result, Status
from raytabdl.runtime.recorder import Recorder
from raytabdl.runtime.searcher import Suggestion, trial_seed
from raytabdl.search.bags import Bag, next_fold, seconds_to_complete
from raytabdl.space import ROOT

ORIGIN = "bag"
QUICK = "quick"
PORTFOLIO = "portfolio"
BASELINE = "dummy"

N_BEST = 10
"""How many configurations are trained on the other folds beside those of the ensemble and the best of each family."""

MAX_BEHIND = 0.1
"""By how much more than the best rung loss, relatively, theirs may be; other families are worth it in any case."""

EARLIEST = 1.3
"""While not all of the portfolio was tried, the folds begin where so many times what the ensemble's take is left."""

SHORTEST = 0.6
"""Of the seconds of a network's first fold: in so few another one is trained, over a shorter horizon, at the end."""


@dataclass(frozen=True)
class Folds:
    """Suggests the next fold of a configuration; ``ensemble`` is that of fold 0.

    It begins when the portfolio is through, or else at ``begin_s`` of the run. Until all of the portfolio was tried,
    only those of the ensemble get a bag, and only when there is just time to complete them: another family may be worth
    more.
    """

    history: History
    n_folds: int
    n_workers: int
    clock: Clock
    begin_s: float
    end_s: float
    run_seed: int
    max_budget: int
    networks: frozenset[str]
    portfolio_is_tried: Callable[[], bool]
    ensemble: Callable[[], Ensemble | None]
    longer_than_quick: float = 1.0
    """How many times as many iterations a classic model has at the full budget as a quick one."""

    def next(self) -> Suggestion | None:
        """The next trial on another fold, or None while it is too early, too late, or nothing is left to train."""
        elapsed = self.clock.elapsed()
        members = [trial.id for trial in self.history.trials.values() if trial.origin == PORTFOLIO]
        is_tried = self.portfolio_is_tried()
        is_through = is_tried and not any(self.history.statuses[name] is Status.RUNNING for name in members)
        if not (is_through or self.begin_s <= elapsed) or elapsed >= self.end_s:
            return None
        if (ensemble := self.ensemble()) is None:
            return None
        bags = list(self._bags(ensemble))
        left_s = self.end_s - elapsed
        if not is_tried and left_s > EARLIEST * seconds_to_complete(bags, self.n_folds, self.n_workers):
            return None
        chosen = next_fold(bags, self.n_folds, left_s, self.n_workers, is_early=not is_tried)
        if chosen is None:
            return None
        trial_id, fold = chosen
        trial, name = self.history.trials[trial_id], fold_trial(trial_id, fold)
        # A quick model counts its budget by another horizon: it may go on to the end, and keeps its best point.
        is_quick = trial.origin == QUICK
        train_to = self.max_budget if is_quick else self._best_results()[trial_id].budget
        return Suggestion(name, trial.config, ORIGIN, trial_seed(self.run_seed, name), fold, train_to)

    def restart(self, recorder: Recorder) -> None:
        """Ends what an earlier run left unfinished: a fold begins anew."""
        for name, status in list(self.history.statuses.items()):
            if status is Status.RUNNING and fold_of(name) > 0:
                recorder.changed(name, Status.STOPPED, "the run was interrupted")

    def _bags(self, ensemble: Ensemble) -> list[Bag]:
        """Those of the ensemble, then the best of each family, then the best of all, but none that trains now."""
        begun: dict[str, set[int]] = {}
        for name, status in self.history.statuses.items():
            if status is not Status.STOPPED or fold_of(name) == 0:  # on a fold that was cut short a trial begins anew
                begun.setdefault(trial_of(name), set()).add(fold_of(name))
        best = self._best_results()
        spent: dict[str, float] = {}
        for result in self.history.on_first_fold():
            if result.budget <= best[result.trial_id].budget:
                spent[result.trial_id] = spent.get(result.trial_id, 0.0) + result.seconds.total
        bags = []
        for trial_id, worth in self._wanted(ensemble).items():
            if self.history.statuses[trial_id] in (Status.PAUSED, Status.STOPPED, Status.COMPLETED):
                trial, seconds = self.history.trials[trial_id], spent[trial_id]
                if trial.origin == QUICK:  # it was left when Ray was ready; its folds train to the end
                    seconds *= self.max_budget / best[trial_id].budget * self.longer_than_quick
                least = seconds * (SHORTEST if trial.config[ROOT] in self.networks else 1.0)
                bags.append(Bag(trial_id, worth, seconds, least, frozenset(begun[trial_id])))
        return bags

    def _best_results(self) -> dict[str, Result]:
        """The first result of each trial with its lowest rung loss: what came later did not change its predictions."""
        best: dict[str, Result] = {}
        for result in self.history.on_first_fold():
            if result.trial_id not in best or result.rung_loss < best[result.trial_id].rung_loss:
                best[result.trial_id] = result
        return best

    def _wanted(self, ensemble: Ensemble) -> dict[str, float]:
        """The trials worth a bag with what puts them in order: above 0 a weight in the ensemble, below it a rank.

        Ranked by rung losses: some metrics of few rows hardly tell two models apart.
        """
        losses = {trial_id: result.rung_loss for trial_id, result in self._best_results().items()}
        models = {trial_id: self.history.trials[trial_id].config[ROOT] for trial_id in losses}
        ranked = [t for t in sorted(losses, key=losses.__getitem__) if models[t] != BASELINE]
        best_of_model = list({models[t]: t for t in reversed(ranked)}.values())
        enough = (1 + MAX_BEHIND) * min(losses.values(), default=math.inf)
        near = [t for t in ranked if losses[t] <= enough]
        in_order = [*sorted(best_of_model, key=ranked.index), *near][: N_BEST + len(best_of_model)]
        wanted = {trial_id: -float(rank) for rank, trial_id in reversed(list(enumerate(in_order)))}
        for member, weight in ensemble.weights.items():
            if models.get(trial_of(member), BASELINE) != BASELINE:
                wanted[trial_of(member)] = weight
        return wanted
