"""The sampler without one of its ideas, or with one that was tried and taken out."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from benchmarks.engine.cells import Start
from benchmarks.engine.families import by_depth
from benchmarks.engine.systems import SYSTEMS, search
from raytabdl.component import Config
from raytabdl.search import kde
from raytabdl.search.samplers import BOHB, Judged, Sampler
from raytabdl.search.vectors import Family, Vectors, to_vector
from raytabdl.simulation.engine import Optimizer
from raytabdl.simulation.surrogate import LCBenchSurrogate


class LargestBudgetOnly(BOHB):
    """The paper's model: of the results at the largest budget that has 2 (d + 1) of them."""

    def _ranked(self) -> list[Judged]:
        enough = 2 * (len(self.space) + 1)
        budgets = sorted(self._losses, reverse=True)
        budget = next((b for b in budgets if len(self._losses[b]) >= enough), min(budgets, default=0))
        losses = self._losses[budget]
        return [self._trials[key] for key in sorted(losses, key=losses.__getitem__)]


class LargerBudgetsFirst(BOHB):
    """What has reached a larger budget is better, whatever its loss; as Optuna ranks trials that were stopped."""

    def _ranked(self) -> list[Judged]:
        last = {key: (-budget, losses[key]) for budget, losses in sorted(self._losses.items()) for key in losses}
        return [self._trials[key] for key in sorted(last, key=last.__getitem__)]


class FixedShare(BOHB):
    """15 % of all trials are good, and at least 3."""

    def n_good(self, trials: object) -> int:
        return max(3, math.ceil(self.top_n_percent / 100 * len(trials)))  # type: ignore[arg-type]


class PendingAreBad(BOHB):
    """Trials that are under way count among the bad, so that others are suggested elsewhere."""

    def __init__(self, *args: object, **settings: object) -> None:
        super().__init__(*args, **settings)  # type: ignore[arg-type]
        self._pending: dict[frozenset[tuple[str, object]], Judged] = {}

    def suggest(self) -> Config:
        config = super().suggest()
        self._pending[frozenset(config.items())] = Judged(config[self.root], to_vector(config, self.space))
        return config

    def observe(self, observation: object) -> None:
        self._pending.pop(frozenset(observation.config.items()), None)  # type: ignore[attr-defined]
        super().observe(observation)  # type: ignore[arg-type]

    def _split(self, trials: list[Judged]) -> tuple[list[Judged], list[Judged]]:
        good, bad = super()._split(trials)
        return good, [*bad, *(own for own in self._pending.values() if own.family == trials[0].family)] if bad else bad


class EachForItself(BOHB):
    """A density for each hyperparameter in place of one for all together, as in the first TPE."""

    def _best_candidates(self, family: Family, good: list[Judged], bad: list[Judged], prior: Vectors) -> Vectors:
        densities = [_columns(self._fit(trials, family)) for trials in (good, bad)]
        candidates = prior.copy()
        for column, density in zip(family.columns, densities[0], strict=True):
            candidates[:, [column]] = density.sample(prior[:, [column]], self._rng)
        candidates = family.legal(candidates)
        logs = [
            sum(density.log_pdf(candidates[:, [column]]) for column, density in zip(family.columns, each, strict=True))
            for each in densities
        ]
        return candidates[np.argsort(logs[1] - logs[0], kind="stable")]


class FamiliesEvenly(BOHB):
    """Each family is drawn as often as the others."""

    def _family_weights(self, ranked: list[Judged]) -> Vectors:
        return np.full(len(self._families), 1 / len(self._families))


class PortfolioAsPrior(BOHB):
    """Members of the portfolio are good ones, each with a chance that fades as 1 / (1 + n / 8) with n trials."""

    def __init__(self, *args: object, portfolio: list[Config], **settings: object) -> None:
        super().__init__(*args, **settings)  # type: ignore[arg-type]
        self._members = [Judged(config[self.root], to_vector(config, self.space)) for config in portfolio]

    def _split(self, trials: list[Judged]) -> tuple[list[Judged], list[Judged]]:
        good, bad = super()._split(trials)
        chance = 1 / (1 + len(trials) / 8)
        drawn = [member for member in self._members if self._rng.random() < chance]
        return (good, bad) if not bad else ([*good, *(m for m in drawn if m.family == trials[0].family)], bad)


def _columns(density: kde.Density) -> list[kde.Density]:
    return [
        kde.Density(density.data[:, [i]], density.bandwidths[[i]], density.n_levels[[i]])
        for i in range(density.data.shape[1])
    ]


@dataclass(frozen=True)
class Variant:
    """How to start it, what it changes, and what it is compared with."""

    start: Start
    what: str
    baseline: str = "raytabdl"


def _plain(make: Callable[..., Sampler]) -> Start:
    return lambda b, seed, n_workers, portfolio: search(b, make(b.space, seed), [])


def _with_portfolio_as_prior(b: LCBenchSurrogate, seed: int, n_workers: int, portfolio: list[Config]) -> Optimizer:
    return search(b, PortfolioAsPrior(b.space, seed, portfolio=portfolio), portfolio)


VARIANTS = {
    "raytabdl": Variant(SYSTEMS["raytabdl"], "as it is"),
    "largest budget only": Variant(_plain(LargestBudgetOnly), "results of all budgets are not pooled"),
    "larger budgets first": Variant(_plain(LargerBudgetsFirst), "another order of the pooled results"),
    "15 % of all": Variant(_plain(FixedShare), "how many are good does not follow from the largest budget"),
    "narrow kernels": Variant(_plain(partial(BOHB, min_bandwidth=1e-3)), "the least bandwidth is 0.001"),
    "pending are bad": Variant(_plain(PendingAreBad), "trials under way count as bad"),
    "each for itself": Variant(_plain(EachForItself), "no product kernels"),
    "wider kernels": Variant(_plain(partial(BOHB, min_bandwidth=0.3)), "the least bandwidth is 0.3, not 0.2"),
    "more candidates": Variant(_plain(partial(BOHB, n_candidates=256)), "256 candidates, not 64"),
    "random fraction 0.1": Variant(_plain(partial(BOHB, random_fraction=0.1)), "fewer random suggestions"),
    "raytabdl with portfolio": Variant(SYSTEMS["raytabdl with portfolio"], "the portfolio comes first"),
    "portfolio as prior": Variant(
        _with_portfolio_as_prior, "its members are good ones at first", baseline="raytabdl with portfolio"
    ),
    "by depth": Variant(by_depth(BOHB), "each depth is a family with hyperparameters of its own"),
    "by depth, one model": Variant(
        by_depth(partial(BOHB, root="everything")), "one model for all families", baseline="by depth"
    ),
    "by depth, chance alone": Variant(
        by_depth(partial(BOHB, per_second=False)), "seconds do not count in the choice of a family", baseline="by depth"
    ),
    "by depth, evenly": Variant(by_depth(FamiliesEvenly), "no choice among the families", baseline="by depth"),
}
