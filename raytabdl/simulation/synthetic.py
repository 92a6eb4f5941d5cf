"""A benchmark whose best configuration is known, and that needs no file."""

from __future__ import annotations

import numpy as np
from ConfigSpace import Categorical, ConfigurationSpace, EqualsCondition, Float

from raytabdl.component import Config
from raytabdl.search.brackets import Budgets
from raytabdl.simulation.benchmark import Curve, generator


class CountingOnes:
    """The share of ones in a configuration, subtracted from 1 (Falkner et al. 2018, section 5.1).

    Half of the hyperparameters are bits that count; the others are chances of a one, which are tried as often as the
    budget says, so low budgets see them through noise. Zero is the best loss. Each family of ``n_ones`` has its own;
    all but the first lose 0.2 in addition. A unit of budget takes a second, times a factor for each configuration whose
    logarithm has the standard deviation ``spread``.
    """

    def __init__(
        self,
        n_ones: int = 8,
        *,
        n_families: int = 1,
        spread: float = 0.0,
        seed: int = 0,
    ) -> None:
        self.budgets = Budgets()
        self._spread = spread
        self._seed = seed
        self.space = ConfigurationSpace(seed=seed)
        families = [f"family_{i}" for i in range(n_families)]
        model = Categorical("model", families)
        self.space.add(model)
        for family in families:
            own = [
                Categorical(f"{family}.{i}", [0, 1]) if i % 2 else Float(f"{family}.{i}", (0.0, 1.0))
                for i in range(n_ones)
            ]
            self.space.add(*own, *(EqualsCondition(each, model, family) for each in own))

    def curve(self, config: Config) -> Curve:
        rng = generator(self._seed, config)
        chances = np.array([float(value) for name, value in sorted(config.items()) if name != "model"])
        ones = rng.random((self.budgets.max_budget, len(chances))) < chances
        handicap = 0.0 if config["model"] == "family_0" else 0.2
        pace = float(np.exp(self._spread * rng.normal()))
        rungs = self.budgets.rungs
        return Curve(
            {budget: handicap + 1.0 - float(ones[:budget].mean()) for budget in rungs},
            {budget: pace * budget for budget in rungs},
        )
