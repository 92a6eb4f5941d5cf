"""BOHB under Tune: the portfolio first, then the model."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ray.tune.search import Searcher
from ray.tune.search.bohb import TuneBOHB

from raytabdl.component import Config
from raytabdl.history import PORTFOLIO, trial_seed
from raytabdl.names import trial_of
from raytabdl.runtime.controller import NotKept
from raytabdl.runtime.trainable import Report
from raytabdl.search.brackets import Race
from raytabdl.search.samplers import Observation, Sampler, SpaceExhaustedError
from raytabdl.space import ROOT


@dataclass(frozen=True)
class Suggestion:
    """A configuration with the name of its trial, and who suggested it."""

    trial_id: str
    config: Config
    origin: str
    seed: int
    fold: int = 0
    train_to: int | None = None
    """The budget to train to on another fold than the first."""
    spent_s: float = 0.0
    """What it has taken in an earlier run."""

    def to_tune(self) -> dict[str, Any]:
        names = {"trial": self.trial_id, "config": dict(self.config), "origin": self.origin, "seed": self.seed}
        # What a worker that takes the trial over is to know; the scheduler keeps it.
        spent: dict[str, Any] = {"spent_s": self.spent_s, "is_halved": False}
        return {**names, "fold": self.fold, "train_to": self.train_to, **spent}


class PortfolioBOHB(NotKept, TuneBOHB):
    """Hands out what an earlier run left unfinished, then the portfolio in order, then what the sampler suggests.

    Trials that an earlier run left at a rung (``parked``) are handed out when they are due for promotion.

    Once a bag is due (``next_fold``), its folds go before all else.

    Keeps Tune's protocol for BOHB (who runs, who is paused) and replaces hpbandster's model by ``sampler``:
    TuneBOHB's constructor is not called, since it insists on hpbandster. A suggestion waits while a paused
    trial is due for promotion: promotions go before new trials.
    """

    def __init__(
        self,
        sampler: Sampler,
        race: Race,
        *,
        portfolio: Sequence[Config] = (),
        unfinished: Sequence[Suggestion] = (),
        parked: Mapping[str, Suggestion] | None = None,
        n_trials: int | None = None,
        n_suggested: int = 0,
        seed: int = 0,
        is_over: Callable[[], bool] = lambda: False,
        next_fold: Callable[[], Suggestion | None] = lambda: None,
        is_pressed: Callable[[], bool] = lambda: False,
    ) -> None:
        Searcher.__init__(self, metric="loss", mode="min")
        self._metric_op = 1.0
        self._max_concurrent = 0
        self._most_running = 0
        self._space = sampler.space
        self.running: set[str] = set()
        self.paused: set[str] = set()
        self.trial_to_params: dict[str, Suggestion] = {}
        self.sampler = sampler
        self.race = race
        self._portfolio = deque(portfolio)
        self._unfinished = deque(unfinished)
        self._parked = dict(parked or {})
        self._n_trials = n_trials
        self._n_suggested = n_suggested
        self._run_seed = seed
        self._is_over = is_over
        self._next_fold = next_fold
        self._is_pressed = is_pressed
        for config in portfolio:
            sampler.claim(config)

    @property
    def n_workers(self) -> int:
        """How many trials are trained at once, by what was seen: there may be CPUs for more, but no GPU or memory."""
        most = max(1, self._max_concurrent)
        return min(most, self._most_running) if self._most_running else most

    def note_running(self, n_running: int) -> None:
        """So many trials are trained now."""
        self._most_running = max(self._most_running, n_running)

    @property
    def has_enough(self) -> bool:
        """Whether the wanted number of trials was suggested."""
        return self._n_trials is not None and self._n_suggested >= self._n_trials

    def promotions(self) -> list[str]:
        """The trials due to go up; while folds are to be trained, only those of the portfolio or in the lead.

        Once time presses, of the portfolio only those that were tried first.
        """
        due = self.race.promotable()
        if not due or self._next_fold() is None:
            return due
        is_pressed = self._is_pressed()
        return [
            name
            for name in due
            if self.race.leads(name)
            or (self.race.is_in_opening(name) and (not is_pressed or self.race.bracket_of(name) == 0))
        ]

    @property
    def has_portfolio(self) -> bool:
        """Whether there are members of the portfolio that were not suggested yet."""
        return bool(self._portfolio)

    def leave_out(self, model: str) -> None:
        """Suggests no more members of the portfolio of that model, one of which was too slow for the table."""
        self._portfolio = deque(config for config in self._portfolio if config[ROOT] != model)

    def forget(self, name: str) -> None:
        """A trial of an earlier run that is not worth going on with."""
        self._parked.pop(name, None)

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:  # type: ignore[override]  # FINISHED is a string
        if self._max_concurrent > 0 and len(self.running) >= self._max_concurrent:
            return None
        if self._is_over():
            return str(Searcher.FINISHED)
        suggestion = self._next()
        if not isinstance(suggestion, Suggestion):
            return suggestion
        self.trial_to_params[trial_id] = suggestion
        self.running.add(trial_id)
        return suggestion.to_tune()

    def _next(self) -> Suggestion | str | None:
        """The next trial, None to wait, or Tune's word for no more."""
        if self._unfinished:
            return self._unfinished.popleft()
        due = self.promotions()
        for name in due:
            if name in self._parked:
                return self._parked.pop(name)
        if due:
            return None
        if (on_fold := self._next_fold()) is not None:
            # A configuration that is trained on all folds at its budget is promoted no more.
            if (trial := trial_of(on_fold.trial_id)) in self.race:
                self.race.withdraw(trial)
            return on_fold
        if self.has_enough:
            if self.running:
                return None
            # Nobody will join the brackets that are not full: what waits there is judged among those that came.
            return self._next() if self.race.close_oldest() is not None else str(Searcher.FINISHED)
        try:
            return self._new()
        except SpaceExhaustedError:
            self._n_trials = self._n_suggested
            return self._next()

    def _new(self) -> Suggestion:
        name = f"{self._n_suggested:04d}"
        seed = trial_seed(self._run_seed, name)
        if self._portfolio:
            suggestion = Suggestion(name, self._portfolio.popleft(), PORTFOLIO, seed)
        else:
            config = self.sampler.suggest()
            suggestion = Suggestion(name, config, self.sampler.origin, seed)
        self._n_suggested += 1
        return suggestion

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        if trial_id not in self.paused:
            self.running.add(trial_id)
        # Tune flattens results.
        judged = result.get("hyperband_info") or {
            key: result[f"hyperband_info/{key}"] for key in ("budget", "seconds") if f"hyperband_info/{key}" in result
        }
        if judged and trial_id in self.trial_to_params:
            report: Report = result["report"]
            self._observe(trial_id, judged["budget"], report.loss, judged["seconds"])

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        if error and self.trial_to_params[trial_id].fold == 0:
            self._observe(trial_id, self.race.milestone(self.trial_to_params[trial_id].trial_id), math.inf, 0.0)
        self.trial_to_params.pop(trial_id, None)
        self.paused.discard(trial_id)
        self.running.discard(trial_id)

    def _observe(self, trial_id: str, budget: int, loss: float, seconds: float) -> None:
        self.sampler.observe(Observation(self.trial_to_params[trial_id].config, budget, loss, seconds))

    def save(self, checkpoint_path: str) -> None:
        """Nothing: a run is resumed from its own records, not from Tune's pickles."""

    def restore(self, checkpoint_path: str) -> None:
        raise NotImplementedError("a run is resumed from its folder: raytabdl resume RUN")
