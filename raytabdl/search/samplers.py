"""Which configuration to try next: results in, configurations out."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from ConfigSpace import CategoricalHyperparameter, ConfigurationSpace

from raytabdl.component import Config, ConfigValue
from raytabdl.exceptions import RaytabdlError
from raytabdl.search import kde
from raytabdl.search.vectors import Family, Vectors, to_config, to_vector

Key = frozenset[tuple[str, ConfigValue]]

N_GOOD = 8
"""How many make a density of the good, where there are twice as many: with fewer it is of a corner of the space."""


class SpaceExhaustedError(RaytabdlError, LookupError):
    """A space in which no configuration that is new could be found."""


@dataclass(frozen=True)
class Observation:
    """The loss of a configuration at a budget; NaN or infinite where it failed.

    ``seconds`` is what this result cost: for a trial that went on from a smaller budget, the part beyond it.
    """

    config: Config
    budget: int
    loss: float
    seconds: float


class Sampler(ABC):
    """A source of configurations that learns from results.

    ``space`` has a categorical hyperparameter, ``root``, whose value says which family (network or classic
    model) a configuration belongs to. The seed, what was suggested before and the results decide every suggestion: a
    sampler that is told of them again goes on as the first would have.
    """

    origin = "random"
    """Where the last suggestion came from: model or random."""

    def __init__(self, space: ConfigurationSpace, seed: int, *, root: str = "model") -> None:
        families = space[root]
        if not isinstance(families, CategoricalHyperparameter):
            raise TypeError(f"root must name a categorical hyperparameter, got {families}")
        self.space = space
        self.root = root
        self._seed = seed
        self._rng = np.random.default_rng(seed)
        self._families: dict[ConfigValue, Family] = {c: Family(space, root, c) for c in families.choices}
        self._family_probabilities: Vectors = families.probabilities
        self._suggested: set[Key] = set()

    def suggest(self) -> Config:
        """A configuration that is legal in the space and new."""
        self._rng = np.random.default_rng([self._seed, len(self._suggested)])
        for _ in range(64):  # one family may be exhausted while others are not
            for vector in self._propose():
                config = to_config(vector, self.space)
                if _key(config) not in self._suggested:
                    self.claim(config)
                    return config
        raise SpaceExhaustedError(f"no configuration is new after {len(self._suggested)} suggestions and 64 draws")

    def claim(self, config: Config) -> None:
        """Counts a configuration from elsewhere (a portfolio, an earlier run) as suggested."""
        self._suggested.add(_key(config))

    def observe(self, observation: Observation) -> None:
        """Takes in a result."""
        self.claim(observation.config)

    @abstractmethod
    def _propose(self) -> Vectors:
        """Legal vectors of shape (any number, len(space)), the one to suggest first."""

    def _draw(self) -> Vectors:
        """A few legal draws from one family's space; the family with the probability that the space gives it."""
        family = self._families[self._draw_family(self._family_probabilities)]
        return family.legal(family.sample(8, self._rng))

    def _draw_family(self, probabilities: Vectors) -> ConfigValue:
        return list(self._families)[self._rng.choice(len(probabilities), p=probabilities)]


MakeSampler = Callable[[ConfigurationSpace, int], Sampler]
"""A sampler of a space with a seed: mostly a class of them."""


class RandomSearch(Sampler):
    """Draws from the space: first the family, then its hyperparameters."""

    def _propose(self) -> Vectors:
        return self._draw()


class BOHB(Sampler):
    """Bayesian optimisation with kernel densities of good and bad configurations (Falkner et al. 2018).

    Where it departs from the paper:

    - A density model for each family, over what can be active in it: one model over all of a conditional space has no
      data in most of its dimensions.
    - Results of all budgets are pooled (``places``): the paper's model starts anew at each larger budget.
    - How many are good follows from the largest budget that some have reached (``n_good``): 15 % of all trials would be
      most of those that were promoted, whatever became of them there.
    - No kernel is narrower than ``min_bandwidth``: where the good are close together the search would stay among them.
      Candidates are drawn from the kernels as they are, which hpbandster makes three times as wide.
    - An inactive value says nothing (a uniform kernel), where the paper copies a random trial's value.
    - The family is drawn by its chance of a good result per second (``_family_weights``). Without ``per_second`` it is
      drawn by the chance alone, so that no suggestion depends on the clock.

    The ablation of these is ``benchmarks/results/engine_ablation.md``.
    """

    def __init__(
        self,
        space: ConfigurationSpace,
        seed: int,
        *,
        root: str = "model",
        min_points_in_model: int = 6,
        top_n_percent: float = 15.0,
        n_candidates: int = 64,
        random_fraction: float = 1 / 3,
        min_bandwidth: float = 0.2,
        per_second: bool = True,
    ) -> None:
        if min_points_in_model < 4:  # 3 good ones and a bad one
            raise ValueError(f"min_points_in_model must be at least 4, got {min_points_in_model}")
        if not 0 < top_n_percent <= 50:
            raise ValueError(f"top_n_percent must be above 0 and at most 50, got {top_n_percent}")
        if not 0 <= random_fraction <= 1:
            raise ValueError(f"random_fraction must be from 0 to 1, got {random_fraction}")
        super().__init__(space, seed, root=root)
        self.min_points_in_model = min_points_in_model
        self.top_n_percent = top_n_percent
        self.n_candidates = n_candidates
        self.random_fraction = random_fraction
        self.min_bandwidth = min_bandwidth
        self.per_second = per_second
        self._losses: defaultdict[int, dict[Key, float]] = defaultdict(dict)  # by budget, then configuration
        self._trials: dict[Key, Judged] = {}
        self._ranking: list[Judged] | None = None  # of all trials, best first; None after a new result

    def observe(self, observation: Observation) -> None:
        super().observe(observation)
        key = _key(observation.config)
        if key not in self._trials:
            family = observation.config[self.root]
            self._trials[key] = Judged(family, to_vector(observation.config, self.space))
        trial = self._trials[key]
        trial.seconds += observation.seconds
        trial.budget = max(trial.budget, observation.budget)
        trial.failed = trial.failed or not math.isfinite(observation.loss)
        self._losses[observation.budget][key] = observation.loss
        self._ranking = None

    def n_good(self, trials: Sequence[Judged]) -> int:
        """How many of the best trials of a family count as good.

        Of those at the largest budget that 16 have reached 15 %, and at least 8 where there are as many bad ones.
        """
        n_judged = next((n for n in self._n_reached(trials) if n >= 2 * N_GOOD), len(trials))
        return max(min(N_GOOD, len(trials) // 2), math.ceil(self.top_n_percent / 100 * n_judged))

    def _propose(self) -> Vectors:
        self.origin = "random"
        if self._rng.random() < self.random_fraction:
            return self._draw()
        ranked = self._ranked()
        choice = self._draw_family(self._family_weights(ranked))
        family = self._families[choice]
        good, bad = self._split([trial for trial in ranked if trial.family == choice])
        prior = family.sample(self.n_candidates, self._rng)
        if len(good) < 3 or len(bad) < 1 or len(family.columns) == 0:
            return family.legal(prior)
        self.origin = "model"
        return self._best_candidates(family, good, bad, prior)

    def _split(self, trials: list[Judged]) -> tuple[list[Judged], list[Judged]]:
        """The good and the bad of a family's trials, which come best first; none where they make no model."""
        if len(trials) < self.min_points_in_model:
            return [], []
        n_sound = sum(not trial.failed for trial in trials)
        n_good = min(self.n_good(trials), n_sound)  # what failed is never good, however few are better
        return trials[:n_good], trials[n_good:]

    def _best_candidates(
        self, family: Family, good_ones: list[Judged], bad_ones: list[Judged], prior: Vectors
    ) -> Vectors:
        """Candidates from the density of the good, by falling ratio to that of the bad."""
        good, bad = self._fit(good_ones, family), self._fit(bad_ones, family)
        candidates = prior.copy()
        candidates[:, family.columns] = good.sample(prior[:, family.columns], self._rng)
        candidates = family.legal(candidates)
        x = candidates[:, family.columns]
        best_first: Vectors = candidates[np.argsort(bad.log_pdf(x) - good.log_pdf(x), kind="stable")]
        return best_first

    def _fit(self, trials: list[Judged], family: Family) -> kde.Density:
        vectors = np.array([trial.vector for trial in trials])
        return kde.fit(vectors[:, family.columns], family.n_levels, min_bandwidth=self.min_bandwidth)

    def _ranked(self) -> list[Judged]:
        """All trials, best first."""
        if self._ranking is None:
            place = places(self._losses)
            self._ranking = [self._trials[key] for key in sorted(place, key=place.__getitem__)]
        return self._ranking

    def _n_reached(self, trials: Sequence[Judged]) -> list[int]:
        """How many have reached each budget, the largest budget first."""
        return [sum(trial.budget >= budget for trial in trials) for budget in sorted(self._losses, reverse=True)]

    def _family_weights(self, ranked: list[Judged]) -> Vectors:
        """The chance of each family that its next trial is among the best, per second at equal budget.

        A stand-in for the expected improvement per second. Seconds count per unit of budget: the trials of a good
        family are promoted, so they spend more. Each family starts with 4 average trials: none is judged by its first.
        """
        share = self.top_n_percent / 100
        top = [t for t in ranked[: max(3, math.ceil(share * len(ranked)))] if not t.failed]
        cost = sum(t.seconds for t in ranked) / max(sum(t.budget for t in ranked), 1) or 1.0  # of a unit of budget
        weights = []
        for choice in self._families:
            own = [t for t in ranked if t.family == choice]
            chance = (sum(t.family == choice for t in top) + 4 * share) / (len(own) + 4)
            seconds = (sum(t.seconds for t in own) + 4 * cost) / (sum(t.budget for t in own) + 4)
            weights.append(chance / seconds if self.per_second else chance)
        return np.array(weights) / sum(weights)


@dataclass
class Judged:
    """A configuration with results: its family, its vector, what it has cost and the budget it has reached."""

    family: ConfigValue
    vector: Vectors
    seconds: float = 0.0
    budget: int = 0
    failed: bool = False


def places(losses: dict[int, dict[Key, float]]) -> dict[Key, float]:
    """The place of each configuration among all, from 0 (best) to 1, from its losses by budget.

    Within a budget only the order of the losses counts. The smallest budget spreads its configurations evenly. A larger
    one puts those that reached it in a new order, in the places that they held; those that start there are put between
    the ones that they are between. So the worst at the largest budget still stands before what was left behind
    below, which ranks within each budget would not do. What failed at any budget is last.
    """
    place: dict[Key, float] = {}
    for budget in sorted(losses):
        by_loss = {key: loss if math.isfinite(loss) else math.inf for key, loss in losses[budget].items()}
        ordered = sorted(by_loss, key=by_loss.__getitem__)
        known = [i for i, key in enumerate(ordered) if key in place]
        held = sorted(place[ordered[i]] for i in known)
        ranks = np.interp(np.arange(len(ordered)), [-1, *known, len(ordered)], [0.0, *held, 1.0])
        place.update(zip(ordered, ranks.tolist(), strict=True))
    failed = (key for at_budget in losses.values() for key, loss in at_budget.items() if not math.isfinite(loss))
    return place | dict.fromkeys(failed, 1.0)


def _key(config: Config) -> Key:
    return frozenset(config.items())
