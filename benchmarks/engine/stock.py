"""Tune's own BOHB on simulated workers: its scheduler and searcher, told what Tune's controller would tell them.

No Ray is started: ``HyperBandForBOHB`` and ``TuneBOHB`` are arithmetic on trials, of which they need a few attributes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

import numpy as np
from ConfigSpace import CategoricalHyperparameter, Configuration, ConfigurationSpace
from ray.tune.experiment import Trial as TuneTrial
from ray.tune.schedulers import HyperBandForBOHB
from ray.tune.schedulers.trial_scheduler import TrialScheduler
from ray.tune.search.bohb import TuneBOHB

from raytabdl.component import Config
from raytabdl.search import kde
from raytabdl.search.brackets import Budgets
from raytabdl.simulation.engine import Job


class StockBOHB:
    """``TuneBOHB`` and ``HyperBandForBOHB`` with as many concurrent trials as there are workers.

    The space is one of numbers with a constant root, which is left out: so their model starts with fewer results.
    """

    def __init__(
        self, space: ConfigurationSpace, budgets: Budgets, seed: int, n_workers: int, *, hpbandster: bool = False
    ) -> None:
        (self._root,) = (name for name in space if isinstance(space[name], CategoricalHyperparameter))
        self._constant = space[self._root].choices[0]
        numeric = ConfigurationSpace(seed=seed)
        numeric.add(*(number for name, number in space.items() if name != self._root))
        self._searcher = TuneBOHB(numeric, metric="loss", mode="min", seed=seed, max_concurrent=n_workers)
        if hpbandster:
            np.random.seed(seed)  # noqa: NPY002  # what its generator draws from
        else:
            self._searcher.bohber = Generator(numeric, seed)
        self._scheduler = HyperBandForBOHB(
            time_attr="budget", metric="loss", mode="min", max_t=budgets.max_budget, reduction_factor=budgets.eta
        )
        self._trials: dict[str, _Trial] = {}
        self.search_alg = SimpleNamespace(searcher=self._searcher)  # where the scheduler looks for it

    def next(self) -> Job | None:
        name = str(len(self._trials))
        config = self._searcher.suggest(name)
        if config is not None:
            self._trials[name] = _Trial(name, {self._root: self._constant, **_plain(config)})
            self._scheduler.on_trial_add(self, self._trials[name])
        trial = self._scheduler.choose_trial_to_run(self)
        return None if trial is None else self._run(trial)

    def report(self, job: Job, loss: float, seconds: float) -> Job | None:
        trial = self._trials[job.trial_id]
        result: dict[str, Any] = {"budget": job.budget, "loss": loss}
        decision = self._scheduler.on_trial_result(self, trial, result)
        trial.last_result = result
        if decision != TrialScheduler.STOP:  # the controller tells the searcher in this case only
            self._searcher.on_trial_result(trial.trial_id, result)
        if decision == TrialScheduler.CONTINUE:
            return self._run(trial)
        if decision == TrialScheduler.PAUSE:
            trial.status = TuneTrial.PAUSED
        else:
            self.stop_trial(trial)
        return None

    def get_trials(self) -> list[_Trial]:
        return list(self._trials.values())

    def stop_trial(self, trial: _Trial) -> None:
        if trial.status == TuneTrial.RUNNING:
            self._scheduler.on_trial_complete(self, trial, trial.last_result)
        elif trial.status != TuneTrial.TERMINATED:
            self._scheduler.on_trial_remove(self, trial)
        else:
            return
        self._searcher.on_trial_complete(trial.trial_id, trial.last_result)
        trial.status = TuneTrial.TERMINATED

    def _run(self, trial: _Trial) -> Job:
        trial.status = TuneTrial.RUNNING
        bracket, _ = self._scheduler._trial_info[trial]
        return Job(trial.trial_id, trial.config, bracket._cumul_r)


@dataclass(eq=False)
class _Trial:
    trial_id: str
    config: Config
    status: str = TuneTrial.PENDING
    is_saving: bool = False
    last_result: dict[str, Any] | None = None


class Generator:
    """hpbandster's generator over a space of numbers, with arrays for its loops.

    The same models, and suggestions from the same distribution; the tests hold the one against the other.
    """

    def __init__(self, space: ConfigurationSpace, seed: int) -> None:
        self._space = space
        self._rng = np.random.default_rng(seed)
        self._min_points = len(space) + 1
        self._vectors: dict[float, list[kde.Floats]] = {}
        self._losses: dict[float, list[float]] = {}
        self._models: dict[float, tuple[kde.Density, kde.Density] | None] = {}  # None: to be made anew

    def get_config(self, budget: float | None) -> tuple[dict[str, Any], dict[str, bool]]:
        if not self._models or self._rng.random() < 1 / 3:
            return dict(self._space.sample_configuration()), {"model_based_pick": False}
        good, bad = self.densities(max(self._models))
        uniform = self._rng.random((64, len(self._space)))
        candidates = replace(good, bandwidths=3 * good.bandwidths).sample(uniform, self._rng)
        floor = np.log(1e-32)
        ratio = np.maximum(bad.log_pdf(candidates), floor) - np.maximum(good.log_pdf(candidates), floor)
        best = candidates[np.argmin(ratio)]
        return dict(Configuration(self._space, vector=best)), {"model_based_pick": True}

    def new_result(self, job: Any) -> None:
        budget = job.kwargs["budget"]
        if budget < max(self._models, default=-math.inf):
            return
        vectors, losses = self._vectors.setdefault(budget, []), self._losses.setdefault(budget, [])
        vectors.append(Configuration(self._space, values=job.kwargs["config"]).get_array())
        losses.append(job.result["loss"] if np.isfinite(job.result["loss"]) else np.inf)
        if len(losses) >= 2 * self._min_points:  # else one of the densities has too few
            self._models[budget] = None

    def densities(self, budget: float) -> tuple[kde.Density, kde.Density]:
        """Of the good and of the bad configurations at a budget."""
        model = self._models[budget]
        if model is None:
            n = len(self._losses[budget])
            n_good, n_bad = (max(self._min_points, percent * n // 100) for percent in (15, 85))
            ordered = np.array(self._vectors[budget])[np.argsort(self._losses[budget])]
            n_levels = np.zeros(len(self._space), dtype=np.int64)
            model = kde.fit(ordered[:n_good], n_levels), kde.fit(ordered[n_good : n_good + n_bad], n_levels)
            self._models[budget] = model
        return model


def _plain(config: dict[str, Any]) -> Config:
    return {name: value.item() if isinstance(value, np.generic) else value for name, value in config.items()}
