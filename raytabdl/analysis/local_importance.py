"""Local parameter importance: what changing one hyperparameter does to the best configuration that is known.

Biedenkapp, Marben, Lindauer and Hutter (2018), "CAVE: Configuration assessment, visualization and evaluation".
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from ConfigSpace import ConfigurationSpace, UniformIntegerHyperparameter

from raytabdl.analysis.forest import Axis, Floats, Forest
from raytabdl.analysis.study import Study
from raytabdl.search.vectors import Vectors

N_VALUES = 100
"""Values of a number, in the middle of equal parts of its range."""


def local_importance(study: Study, *, seed: int = 0) -> Mapping[str, float]:
    """The variance of a forest's loss along each hyperparameter around the incumbent, as shares of their sum.

    The largest comes first. What another value switches on takes its default; one that is inactive in the incumbent
    has no share. All are 0 where the forest's loss is the same whatever is changed.
    """
    forest = Forest(study, seed)
    variances = {axis.name: _variance(forest, axis, study) for axis in forest.axes}
    total = sum(variances.values())
    shares = {name: variance / total if total > 0 else 0.0 for name, variance in variances.items()}
    return dict(sorted(shares.items(), key=lambda item: -item[1]))


def _variance(forest: Forest, axis: Axis, study: Study) -> float:
    if np.isnan(study.incumbent[axis.index]):
        return 0.0
    values = _values(axis, study.space)
    neighbours = np.tile(study.incumbent, (len(values), 1))
    neighbours[:, axis.index] = values
    predictions: Floats = forest.predict(_activated(neighbours, study.space))
    return float(predictions.var())


def _values(axis: Axis, space: ConfigurationSpace) -> Floats:
    """All levels of a choice, or values of a number in the vectors' form, as often as they are likely."""
    if axis.n_levels:
        return np.arange(axis.n_levels, dtype=np.float64)
    middles = (np.arange(N_VALUES) + 0.5) / N_VALUES
    values: Floats = np.clip((middles - axis.offset) / axis.slope, 0, 1)
    hyperparameter = space[axis.name]
    if isinstance(hyperparameter, UniformIntegerHyperparameter):  # onto the grid
        values = hyperparameter.to_vector(hyperparameter.to_value(values))
    return values


def _activated(vectors: Vectors, space: ConfigurationSpace) -> Vectors:
    """The vectors with the default where a condition now holds, and without values where it holds no more."""
    columns = vectors.T.copy()  # one row for each hyperparameter, as ConfigSpace has it
    for index, name in enumerate(space.at):  # parents stand before their children
        for condition in space.parent_conditions_of[name]:
            columns[index, ~condition.satisfied_by_vector_array(columns)] = np.nan
        if space.parent_conditions_of[name]:
            active = np.all([c.satisfied_by_vector_array(columns) for c in space.parent_conditions_of[name]], axis=0)
            default = space[name].to_vector(space[name].default_value)
            columns[index, active & np.isnan(columns[index])] = default
    return columns.T
