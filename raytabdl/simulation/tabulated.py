"""A benchmark that is a table of learning curves."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from ConfigSpace import CategoricalHyperparameter, ConfigurationSpace

from raytabdl.component import Config
from raytabdl.search.brackets import Budgets
from raytabdl.search.vectors import to_vector
from raytabdl.simulation.benchmark import Curve


class Table:
    """Learning curves of some configurations of a space; any other one has the curve of the next of these.

    The distance adds, over the hyperparameters, that of numbers in [0, 1]; a category that differs, or a value that is
    active in one only, counts as 1.
    """

    def __init__(self, space: ConfigurationSpace, budgets: Budgets, rows: Sequence[tuple[Config, Curve]]) -> None:
        if not rows:
            raise ValueError("a table must have at least one row, got none")
        if missing := [config for config, curve in rows if not set(budgets.rungs) <= set(curve.losses)]:
            raise ValueError(f"each curve must hold the budgets {budgets.rungs}, got one without: {missing[0]}")
        self.space = space
        self.budgets = budgets
        self._curves = [curve for _, curve in rows]
        self._vectors = np.array([to_vector(config, space) for config, _ in rows])
        self._is_level = np.array([isinstance(space[name], CategoricalHyperparameter) for name in space.at])

    def curve(self, config: Config) -> Curve:
        vector = to_vector(config, self.space)
        apart = np.abs(self._vectors - vector)
        apart = np.where(self._is_level, apart > 0, apart)
        one_only = np.isnan(self._vectors) != np.isnan(vector)
        distance = np.where(one_only, 1.0, np.nan_to_num(apart)).sum(axis=1)
        return self._curves[int(np.argmin(distance))]
