"""Well known optimizers, as a simulation asks them."""

from __future__ import annotations

import warnings

import optuna
from ConfigSpace import CategoricalHyperparameter, ConfigurationSpace, UniformFloatHyperparameter

from raytabdl.component import Config
from raytabdl.search.brackets import Budgets
from raytabdl.search.samplers import RandomSearch
from raytabdl.simulation.engine import Job


class FullRandomSearch:
    """Draws from the space, each trained to the end."""

    def __init__(self, space: ConfigurationSpace, budgets: Budgets, seed: int) -> None:
        self._sampler = RandomSearch(space, seed)
        self._budget = budgets.max_budget
        self._n_trials = 0

    def next(self) -> Job:
        self._n_trials += 1
        return Job(str(self._n_trials), self._sampler.suggest(), self._budget)

    def report(self, job: Job, loss: float, seconds: float) -> None:
        return None


class ASHA:
    """Asynchronous successive halving of random draws (Li et al. 2020, algorithm 2), its rungs from budget 1 up."""

    def __init__(self, space: ConfigurationSpace, budgets: Budgets, seed: int) -> None:
        self._sampler = RandomSearch(space, seed)
        self._budgets = budgets
        self._losses: list[dict[str, float]] = [{} for _ in budgets.rungs]
        self._promoted: list[set[str]] = [set() for _ in budgets.rungs]
        self._configs: dict[str, Config] = {}

    def next(self) -> Job:
        for rung in reversed(range(self._budgets.n_rungs - 1)):
            losses = self._losses[rung]
            top = sorted(losses, key=losses.__getitem__)[: len(losses) // self._budgets.eta]
            for name in top:
                if name not in self._promoted[rung]:
                    self._promoted[rung].add(name)
                    return Job(name, self._configs[name], self._budgets.rungs[rung + 1])
        name = str(len(self._configs))
        self._configs[name] = self._sampler.suggest()
        return Job(name, self._configs[name], self._budgets.rungs[0])

    def report(self, job: Job, loss: float, seconds: float) -> None:
        self._losses[self._budgets.rungs.index(job.budget)][job.trial_id] = loss


class OptunaASHA:
    """Optuna's TPE with its SuccessiveHalvingPruner, which stops a trial at a rung or lets it go on at once."""

    def __init__(self, space: ConfigurationSpace, budgets: Budgets, seed: int, n_workers: int) -> None:
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            sampler = optuna.samplers.TPESampler(seed=seed, constant_liar=n_workers > 1)
        pruner = optuna.pruners.SuccessiveHalvingPruner(min_resource=1, reduction_factor=budgets.eta)
        self._study = optuna.create_study(sampler=sampler, pruner=pruner)
        self._space = space
        self._budgets = budgets
        self._trials: dict[str, optuna.Trial] = {}

    def next(self) -> Job:
        trial = self._study.ask()
        name = str(trial.number)
        self._trials[name] = trial
        return Job(name, {hp: self._suggest(trial, hp) for hp in self._space.at}, self._budgets.rungs[0])

    def report(self, job: Job, loss: float, seconds: float) -> Job | None:
        trial = self._trials[job.trial_id]
        trial.report(loss, job.budget)
        if job.budget == self._budgets.max_budget:
            self._study.tell(trial, loss)
        elif trial.should_prune():
            self._study.tell(trial, state=optuna.trial.TrialState.PRUNED)
        else:
            return Job(job.trial_id, job.config, job.budget * self._budgets.eta)
        return None

    def _suggest(self, trial: optuna.Trial, name: str) -> str | float:
        hyperparameter = self._space[name]
        if isinstance(hyperparameter, CategoricalHyperparameter):
            return trial.suggest_categorical(name, hyperparameter.choices)
        suggest = trial.suggest_float if isinstance(hyperparameter, UniformFloatHyperparameter) else trial.suggest_int
        return suggest(name, hyperparameter.lower, hyperparameter.upper, log=hyperparameter.log)
